//! Runs the attacks one after the other, each against a server of its own.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use chitty_chat::proto::v1::PublishRequest;
use color_eyre::eyre::{Report, Result, WrapErr as _, bail, ensure};
use tempfile::TempDir;
use tokio::{
    task::JoinSet,
    time::{Instant, sleep},
};

use crate::{
    attacks::{ALL, Attack, Limits, Outcome, Target},
    honest::{Client, Honest, Place, Seen, Sources, join, request},
    namespace::host,
    server::{Memory, Server},
    table,
};

/// The number of the host that newcomers come from.
pub(crate) const NEWCOMER: u16 = 102;
/// Events in the log before an attack, each with the longest text.
const LINES: u64 = 10_000;
const WRITERS: u64 = 8;
/// A quiet time before an attack.
const CALM: Duration = Duration::from_millis(500);
/// The time after an attack in which the server should free what it used.
const AFTER: Duration = Duration::from_secs(2);

/// The shortest duration of an attack on the server's memory.
const SHORTEST: Duration = Duration::from_secs(3);

/// What is to be run.
pub(crate) struct Plan {
    pub(crate) time: Duration,
    pub(crate) divisor: usize,
    pub(crate) smoke: bool,
    pub(crate) server: PathBuf,
    pub(crate) against: Option<PathBuf>,
}

/// The figures of one attack.
pub(crate) struct Row {
    pub(crate) base: u64,
    pub(crate) peak: u64,
    pub(crate) after: u64,
    /// CPU time as a fraction of one core.
    pub(crate) busy: f64,
    pub(crate) seen: Seen,
    pub(crate) figure: String,
}

/// All attacks, or only the named one.
pub(crate) async fn all(plan: &Plan, only: Option<&str>) -> Result<()> {
    let mut builds = vec![("this build", &plan.server)];
    builds.extend(plan.against.iter().map(|other| ("the other", other)));
    let mut chats = Vec::new();
    for (_, program) in &builds {
        chats.push(chat(program, LINES / plan.divisor as u64).await?);
    }
    println!("{}", table::HEAD);
    for attack in ALL {
        if only.is_some_and(|only| only != attack.name) {
            continue;
        }
        for ((build, program), chat) in builds.iter().zip(&chats) {
            let row = one(plan, attack, program, chat.path()).await;
            match row {
                Ok(row) => {
                    println!("{}", table::row(attack.name, build, &row));
                    if plan.smoke && attack.limits.is_none() {
                        check(&row).wrap_err_with(|| format!("during {}", attack.name))?;
                    }
                }
                Err(error) if plan.smoke => return Err(error.wrap_err(attack.name)),
                Err(error) => println!("{}", table::failure(attack.name, build, &error)),
            }
        }
    }
    Ok(())
}

/// Checks that the honest participants were served.
fn check(row: &Row) -> Result<()> {
    ensure!(!row.seen.broadcasts.is_empty(), "nobody said anything");
    let missing = row.seen.missing;
    ensure!(missing == 0, "{missing} lines did not come");
    let (refused, why) = (row.seen.refused, &row.seen.refusal);
    ensure!(refused == 0, "{refused} lines were refused: {why}");
    Ok(())
}

/// The data folder of a filled chat, made by the same build.
async fn chat(program: &Path, lines: u64) -> Result<TempDir> {
    let folder = tempfile::tempdir()?;
    let chat = TempDir::new()?;
    let options = ["--publish-rate", "off", "--grace", "0"];
    let server = Server::start(program, folder, &options)?;
    let from = host(0);
    let client = Place::of(&server).connect(from).await?;
    let mut author = join(client, request("author", 0)).await?;
    let mut writers = JoinSet::new();
    for _ in 0..WRITERS {
        let (client, session) = (author.client.clone(), author.welcome.session.clone());
        writers.spawn(write(client, session, lines / WRITERS));
    }
    let wait = async {
        while let Some(done) = writers.join_next().await {
            done??;
        }
        Ok::<_, Report>(())
    };
    tokio::select! {
        written = wait => written?,
        // Read, so that its connection has room for the replies.
        () = author.listen() => bail!("the stream of the chat's author ended"),
    }
    author.leave().await?;
    let written = server.stop()?;
    fs::rename(written.join("data"), chat.path().join("data"))?;
    fs::remove_dir_all(written)?;
    Ok(chat)
}

async fn write(mut client: Client, session: String, lines: u64) -> Result<()> {
    for _ in 0..lines {
        let request = PublishRequest {
            session: session.clone(),
            text: "\u{1f980}".repeat(128),
            lamport: 1,
            ..PublishRequest::default()
        };
        client.publish(request).await?;
    }
    Ok(())
}

async fn one(plan: &Plan, attack: &Attack, program: &Path, chat: &Path) -> Result<Row> {
    let folder = tempfile::tempdir()?;
    copy(&chat.join("data"), &folder.path().join("data"))?;
    let options = attack.limits.map_or_else(Vec::new, Limits::options);
    let options: Vec<_> = options.iter().map(String::as_str).collect();
    let mut server = Server::start(program, folder, &options)?;
    let sources = Sources {
        authors: host(100),
        listener: host(101),
        newcomer: host(NEWCOMER),
    };
    let honest = Honest::join(Place::of(&server), sources).await?;
    if !plan.smoke {
        sleep(CALM).await;
    }
    server.forget_peak();
    let base = server.memory()?.resident;
    let (cpu, begun) = (server.cpu()?, Instant::now());
    honest.begin();
    let (time, divisor) = match attack.limits {
        // A bound is reached by all of it, or not at all.
        Some(_) => (plan.time.max(SHORTEST), 1),
        None => (plan.time, plan.divisor),
    };
    let target = Target {
        server: &server,
        time,
        divisor,
        base,
    };
    let outcome = (attack.run)(&target).await;
    let time = begun.elapsed();
    server.check()?;
    let busy = server.cpu()?.saturating_sub(cpu);
    let Memory { peak, .. } = server.memory()?;
    if let Some(limits) = attack.limits {
        let promised = limits.promised(base);
        ensure!(
            peak <= promised,
            "the server had {peak} KiB, where {promised} are promised"
        );
    }
    let seen = honest.end().await?;
    let Outcome { done, figure } = outcome?;
    ensure!(done > 0, "the attack did nothing");
    if !plan.smoke {
        sleep(AFTER).await;
    }
    server.check()?;
    Ok(Row {
        base,
        peak,
        after: server.memory()?.resident,
        busy: busy.as_secs_f64() / time.as_secs_f64(),
        seen,
        figure,
    })
}

/// Copies a folder of files, readable by their owner only, as the server requires.
fn copy(from: &Path, to: &Path) -> Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    fs::DirBuilder::new().mode(0o700).create(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        fs::copy(entry.path(), to.join(entry.file_name()))?;
    }
    Ok(())
}
