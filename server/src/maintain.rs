//! The commands other than serving: those about a file, `key`, `health`, and those of the operator.

use std::{
    fmt,
    io::{self, Write as _},
    path::{Path, PathBuf},
    process::ExitCode,
};

use chitty_chat::{LamportTime, secret};
use chitty_room::Fold;
use clap::Subcommand;

use crate::{
    cli::{DataArgs, user_path},
    data::chat_file,
    health,
    key::{KEY_FILE, ServerKey},
    log::{ChatSummary, Extent, Marked, Summary, backup, check},
    operator,
    replay::{Recovered, recover},
};

/// The subcommands of `chitty-server`.
#[derive(Clone, Debug, Subcommand)]
pub enum MaintainCommand {
    /// Copy the chat into a new file, consistently, even while a server is using it
    ///
    /// To restore it, put it in an empty data folder as chat.db. That is another life of the chat:
    /// the participants of the original join again.
    Backup {
        /// The file to make
        file: PathBuf,

        /// Which chat
        #[command(flatten)]
        data: DataArgs,
    },
    /// Read all of a chat, and list everything that is damaged; the file is not touched
    Check {
        /// The file, or the folder that it is in [default: the chat in the data folder]
        file: Option<PathBuf>,

        /// Which chat
        #[command(flatten)]
        data: DataArgs,
    },
    /// Write everything that is whole in a damaged chat to a new file; the damaged one is not
    /// touched
    ///
    /// Put the new file in the place of the damaged one as chat.db. That is another life of the
    /// chat, as with a backup. A lost event leaves its place empty.
    Recover {
        /// The damaged file, which no server may be using
        file: PathBuf,

        /// The file to make [default: FILE.recovered]
        #[arg(long, value_name = "NEW", value_parser = user_path())]
        to: Option<PathBuf>,
    },
    /// Print the fingerprint of the server's key, by which clients recognise the server
    Key {
        /// Print the certificate instead, for programs that take one, such as grpcurl. Its name is
        /// chitty-chat
        #[arg(long)]
        pem: bool,

        /// Which chat
        #[command(flatten)]
        data: DataArgs,
    },
    /// Invite somebody to the chat: prints a link
    Invite(operator::InviteArgs),
    /// List the invitations by which somebody may still come
    Invitations(DataArgs),
    /// Make an invitation useless, or all of them
    Revoke(operator::RevokeArgs),
    /// List the members of the chat, with their devices
    Members(DataArgs),
    /// End a membership: the member is cut off at once, and the name stays taken
    Remove(operator::RemoveArgs),
    /// Change a member's name or role, or free the name of a former member
    Change(operator::ChangeArgs),
    /// Ask a server whether it serves: exit status 0 if it does, 1 if not
    Health(health::HealthArgs),
}

/// Ranges of lost positions that are listed; further ones are counted.
const MOST_LISTED: usize = 100;

/// Runs a command. The exit code is 1 if a check finds problems, or a command fails.
pub fn run(command: &MaintainCommand) -> ExitCode {
    // If the signal cannot be caught, the command is tried all the same.
    let _ = crate::cli::outlive_size_limits();
    let result = match command {
        MaintainCommand::Health(args) => return health::run(args),
        MaintainCommand::Invite(args) => operator::invite(args),
        MaintainCommand::Invitations(args) => operator::invitations(args),
        MaintainCommand::Revoke(args) => operator::revoke(args),
        MaintainCommand::Members(args) => operator::members(args),
        MaintainCommand::Remove(args) => operator::remove(args),
        MaintainCommand::Change(args) => operator::change(args),
        MaintainCommand::Backup { file, data } => {
            let source = chat_file(&data.folder());
            backup::<Fold>(&source, file, &mut secret::os_random)
                .map(|()| {
                    let text = format!("{} is a backup of {}", file.display(), source.display());
                    say(format_args!("{text}"));
                })
                .map_err(|error| error.to_string())
        }
        MaintainCommand::Key { pem, data } => print_key(&data.folder(), *pem),
        MaintainCommand::Check { file, data } => {
            let file = file.as_deref().map(chat_at);
            let file = file.unwrap_or_else(|| chat_file(&data.folder()));
            check::<Fold>(&file)
                .map(|summary| print(&file, &summary))
                .map_err(|error| error.to_string())
        }
        MaintainCommand::Recover { file, to } => {
            let file = chat_at(file);
            let to = to.clone().unwrap_or_else(|| {
                let mut name = file.clone().into_os_string();
                name.push(".recovered");
                name.into()
            });
            recover(&file, &to, &mut secret::os_random)
                .map(|recovered| print_recovered(&file, &to, &recovered))
                .map_err(|error| error.to_string())
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "chitty-server: {error}");
            ExitCode::FAILURE
        }
    }
}

fn print_key(folder: &Path, pem: bool) -> Result<(), String> {
    let key = ServerKey::load(folder).map_err(|error| error.to_string())?;
    let key = key.ok_or_else(|| {
        format!(
            "there is no {KEY_FILE} in {}: a server makes it when it first listens on a port; name \
             the folder of the chat with --data",
            folder.display()
        )
    })?;
    if pem {
        say(format_args!("{}", key.certificate_pem().trim_end()));
    } else {
        say(format_args!("{}", key.fingerprint()));
    }
    Ok(())
}

/// Prints a line. The reader of a pipe may be gone, as after `head`, which is no error.
pub(crate) fn say(line: fmt::Arguments<'_>) {
    let _ = writeln!(io::stdout(), "{line}");
}

/// The chat that a user names: its file, or its folder, which is what `--data` takes.
fn chat_at(path: &Path) -> PathBuf {
    if path.is_dir() {
        chat_file(path)
    } else {
        path.to_owned()
    }
}

fn print(file: &Path, summary: &Summary) {
    let what = if summary.backup { "a backup" } else { "a chat" };
    say(format_args!("{} is {what} in order", file.display()));
    print_extent(summary.extent);
    say(format_args!("  time:      {}", summary.lamport));
    if summary.lamport >= LamportTime::LAST_ENTRY {
        say(format_args!(
            "  the chat has come to the end of its Lamport times: nobody can join or write any \
             more; begin a new one in another data folder"
        ));
    }
    say(format_args!("  present:   {}", summary.present));
    say(format_args!("  epoch:     {}", summary.epoch));
    say(format_args!("  schema:    {}", summary.schema));
    print_marked(summary.marked);
    for chat in &summary.others {
        print_chat(chat);
    }
}

/// Prints what a file has of a chat beside the lobby.
fn print_chat(chat: &ChatSummary) {
    say(format_args!("  {}", chat.name));
    print_extent(chat.extent);
    say(format_args!("  time:      {}", chat.lamport));
    say(format_args!("  present:   {}", chat.present));
    say(format_args!("  epoch:     {}", chat.epoch));
    print_marked(chat.marked);
}

fn print_extent(extent: Extent) {
    say(format_args!(
        "  positions: {} to {}",
        extent.first, extent.head
    ));
    say(format_args!(
        "  events:    {} in {} bytes",
        extent.events(),
        extent.bytes
    ));
}

fn print_marked(marked: Marked) {
    match marked {
        Marked::All | Marked::Needless => {}
        Marked::UpTo(position) => say(format_args!(
            "  mark:      reaches to position {position} only, as after a power cut: it is not \
             known whether all is there that came after it"
        )),
        Marked::Nothing => say(format_args!(
            "  mark:      is not beside it, or cannot be read: it is not known whether the end is \
             missing"
        )),
        Marked::Another => say(format_args!(
            "  mark:      is of another chat, in whose place this one was put"
        )),
    }
}

fn print_recovered(file: &Path, to: &Path, recovered: &Recovered) {
    say(format_args!(
        "{} is what is whole of {}",
        to.display(),
        file.display()
    ));
    print_recovered_chat(recovered);
    for (chat, recovered) in &recovered.others {
        say(format_args!("  {chat}"));
        print_recovered_chat(recovered);
    }
}

fn print_recovered_chat(recovered: &Recovered) {
    let (first, head) = recovered.positions;
    let lost: u64 = recovered
        .filled
        .iter()
        .map(|(from, to)| to.get() + 1 - from.get())
        .sum();
    say(format_args!("  positions: {first} to {head}"));
    say(format_args!("  whole:     {} events", recovered.kept));
    say(format_args!("  lost:      {lost} events"));
    for (from, to) in recovered.filled.iter().take(MOST_LISTED) {
        say(format_args!("             positions {from} to {to}"));
    }
    if recovered.filled.len() > MOST_LISTED {
        let more = recovered.filled.len() - MOST_LISTED;
        say(format_args!("             and {more} more"));
    }
    if recovered.joined > 0 {
        say(format_args!(
            "  joined:    {} participants, of whom only later events tell",
            recovered.joined
        ));
    }
    if recovered.contradicting > 0 {
        say(format_args!(
            "  left out:  {} events that contradict those before",
            recovered.contradicting
        ));
    }
}
