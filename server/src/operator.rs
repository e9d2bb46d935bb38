//! The commands of the operator, over the server's own Unix socket: who belongs to the chat.

use std::{
    io::{self, IsTerminal as _},
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use chitty_chat::{
    link::LinkSecret,
    proto::v1::{
        self, ChangeRequest, InviteRequest, ListReply, ListRequest, RemoveRequest, RevokeRequest,
        change_request, members_client::MembersClient,
    },
    secret,
};
use clap::Args;
use jiff::{Span, SpanRelativeTo, Timestamp, tz::TimeZone};
use tonic::{Status, transport::Channel};
use tracing::warn;

use crate::{advertise::LinkPlace, cli::DataArgs, key::ServerKey, local, maintain::say};

/// How often a server that has just started is asked whether it answers.
const ASK_EVERY: Duration = Duration::from_millis(100);
/// How many times.
const ASK_TIMES: u32 = 50;

/// Options of `invite`.
#[derive(Clone, Debug, Args)]
pub struct InviteArgs {
    /// The guest becomes an admin, who may invite and remove others
    #[arg(long)]
    admin: bool,

    /// How many people may come by the link
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    uses: u32,

    /// How long the link is good: 30m, 24h, 7d; at most 30d [default: 24h, or 10m for a device]
    #[arg(long, value_name = "TIME", value_parser = parse_lifetime)]
    expires: Option<Duration>,

    /// For whom: the name is kept for the guest. If a member has it, the link is for another device
    /// of that member
    #[arg(long = "for", value_name = "NAME")]
    name: Option<String>,

    /// The new device replaces all others of the member
    #[arg(long, requires = "name")]
    only: bool,

    #[command(flatten)]
    data: DataArgs,
}

/// Options of `revoke`.
#[derive(Clone, Debug, Args)]
pub struct RevokeArgs {
    /// The number of the invitation, as in the list; or all
    #[arg(value_name = "NUMBER|all", value_parser = parse_number_or_all)]
    which: u64,

    #[command(flatten)]
    data: DataArgs,
}

/// Options of `remove`.
#[derive(Clone, Debug, Args)]
pub struct RemoveArgs {
    /// The member's name
    name: String,

    /// Take only this device from the member, and the devices that it let in: its label or its
    /// fingerprint
    #[arg(long, value_name = "LABEL|FINGERPRINT")]
    device: Option<String>,

    #[command(flatten)]
    data: DataArgs,
}

/// Options of `change`.
#[derive(Clone, Debug, Args)]
#[group(id = "what", required = true, multiple = false)]
pub struct ChangeArgs {
    /// The member's name
    name: String,

    /// Its new name
    #[arg(long, value_name = "NAME", group = "what")]
    rename: Option<String>,

    /// It may invite and remove others
    #[arg(long, group = "what")]
    admin: bool,

    /// It is a member like others
    #[arg(long, group = "what")]
    member: bool,

    /// It was removed, and its name becomes free for others
    #[arg(long, group = "what")]
    free_name: bool,

    #[command(flatten)]
    data: DataArgs,
}

fn parse_lifetime(text: &str) -> Result<Duration, String> {
    let wrong = || "give a time such as 30m, 24h or 7d".to_owned();
    let span: Span = text.parse().map_err(|_| wrong())?;
    let time = span.to_duration(SpanRelativeTo::days_are_24_hours());
    let time: Duration = time
        .ok()
        .and_then(|time| time.try_into().ok())
        .ok_or_else(wrong)?;
    if time.is_zero() {
        Err(wrong())
    } else {
        Ok(time)
    }
}

fn parse_number_or_all(text: &str) -> Result<u64, String> {
    match text {
        "all" => Ok(0),
        _ => text
            .parse()
            .ok()
            .filter(|number| *number != 0)
            .ok_or_else(|| "give the number of an invitation, or all".to_owned()),
    }
}

type Client = MembersClient<Channel>;

/// Runs a command on the server of this folder.
fn run<T>(
    data: &DataArgs,
    command: impl AsyncFnOnce(Client) -> Result<T, Status>,
) -> Result<T, String> {
    let folder = data.folder();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| format!("cannot begin: {error}"))?;
    runtime.block_on(async {
        let client = connect(&folder).await?;
        command(client)
            .await
            .map_err(|status| status.message().to_owned())
    })
}

async fn connect(folder: &Path) -> Result<Client, String> {
    let channel = local::channel(folder).await;
    channel
        .map(MembersClient::new)
        .map_err(|error| error.to_string())
}

/// `chitty-server invite`.
pub fn invite(args: &InviteArgs) -> Result<(), String> {
    let folder = args.data.folder();
    let place = link_place(&folder)?;
    let secret = LinkSecret::random(&mut secret::os_random);
    let reply = run(&args.data, async |mut client| {
        let name = args.name.clone().unwrap_or_default();
        let is_member = !name.is_empty() && {
            let list = client.list(ListRequest {}).await?.into_inner();
            let mut members = list.members.iter();
            // With --only also one who has lost all devices, and has not come by the link for the new
            // one yet.
            members.any(|member| member.name == name && (member.keys > 0 || args.only))
        };
        let (name, member) = if is_member {
            (String::new(), name)
        } else {
            (name, String::new())
        };
        let request = InviteRequest {
            secret_sha256: secret.hash().to_vec(),
            role: role(args.admin).into(),
            uses: args.uses,
            seconds: args.expires.map_or(0, |time| time.as_secs().max(1)),
            name,
            member,
            only: args.only,
            lamport: 0,
        };
        client
            .invite(request)
            .await
            .map(tonic::Response::into_inner)
    })?;
    let command = place.link(secret);
    if !io::stdout().is_terminal() {
        say(format_args!("{command}"));
        return Ok(());
    }
    let until = reply
        .until
        .and_then(|until| SystemTime::try_from(until).ok());
    let until = until.map_or_else(String::new, |until| format!(" until {}", local_time(until)));
    say(format_args!(
        "invitation {}, good{until}. Pass this on; nobody can print it again:",
        reply.number
    ));
    say(format_args!("  {command}"));
    if let Some(note) = place.note {
        say(format_args!("({note})"));
    }
    Ok(())
}

const fn role(is_admin: bool) -> v1::member::Role {
    if is_admin {
        v1::member::Role::Admin
    } else {
        v1::member::Role::Member
    }
}

/// What a link to the server of a folder has beside the secret.
struct KnownPlace {
    place: LinkPlace,
    key: ServerKey,
    note: Option<String>,
}

impl KnownPlace {
    fn link(&self, secret: LinkSecret) -> String {
        self.place
            .command(self.key.fingerprint().pin(), Some(secret))
    }
}

fn link_place(folder: &Path) -> Result<KnownPlace, String> {
    let key = ServerKey::load(folder).map_err(|error| error.to_string())?;
    let place = LinkPlace::load(folder).map_err(|error| error.to_string())?;
    let (Some(key), Some(place)) = (key, place) else {
        return Err(format!(
            "the server of {} has no port yet, so that no link leads there; start it with --listen",
            folder.display()
        ));
    };
    Ok(KnownPlace {
        note: place.note.clone(),
        place,
        key,
    })
}

/// `chitty-server invitations`.
pub fn invitations(args: &DataArgs) -> Result<(), String> {
    let list = list(args)?;
    if list.invitations.is_empty() {
        say(format_args!("no invitation is open"));
        return Ok(());
    }
    for open in list.invitations {
        let invitation = open.invitation.unwrap_or_default();
        let by = name_of(&list.members, invitation.by);
        let until = invitation
            .until
            .and_then(|until| SystemTime::try_from(until).ok());
        let until = until.map_or_else(|| "?".to_owned(), local_time);
        let whom = match (invitation.member, open.name.as_str()) {
            (0, "") => format!("a new {}", role_of(invitation.role).as_str()),
            (0, name) => format!("{name}, as {}", role_of(invitation.role).as_str()),
            (member, _) => format!("a device of {}", name_of(&list.members, member)),
        };
        say(format_args!(
            "{}  for {whom}, used {} of {} times, until {until}, by {by}",
            invitation.number, open.used, invitation.uses
        ));
    }
    Ok(())
}

/// `chitty-server revoke`.
pub fn revoke(args: &RevokeArgs) -> Result<(), String> {
    let number = args.which;
    let reply = run(&args.data, async |mut client| {
        let request = RevokeRequest { number, lamport: 0 };
        client
            .revoke(request)
            .await
            .map(tonic::Response::into_inner)
    })?;
    match reply.numbers.as_slice() {
        [] => say(format_args!("no invitation is open")),
        [_] => say(format_args!("one invitation is revoked")),
        numbers => say(format_args!("{} invitations are revoked", numbers.len())),
    }
    Ok(())
}

/// `chitty-server members`.
pub fn members(args: &DataArgs) -> Result<(), String> {
    let list = list(args)?;
    if list.members.is_empty() {
        say(format_args!(
            "nobody is a member yet; chitty-server invite --admin makes a link for the first one"
        ));
        return Ok(());
    }
    for member in &list.members {
        let state = match (member.keys, member.present) {
            (0, _) => "removed",
            (_, true) => "here",
            (_, false) => "away",
        };
        say(format_args!(
            "{}  {}, {state}",
            member.name,
            role_of(member.role).as_str()
        ));
        for device in &member.devices {
            let key = <[u8; 32]>::try_from(device.fingerprint.as_slice());
            let key = key.map_or_else(
                |_| "?".to_owned(),
                |key| chitty_chat::fingerprint::Fingerprint::from_bytes(key).to_string(),
            );
            say(format_args!("  {}  {key}", device.label));
        }
    }
    Ok(())
}

/// `chitty-server remove`.
pub fn remove(args: &RemoveArgs) -> Result<(), String> {
    let member = args.name.clone();
    if let Some(device) = &args.device {
        let change = change_request::Change::DropDevice(device.clone());
        send_change(&args.data, member.clone(), change)?;
        say(format_args!("{member} has lost the device {device:?}"));
        return Ok(());
    }
    run(&args.data, async |mut client| {
        let request = RemoveRequest { member, lamport: 0 };
        client.remove(request).await
    })?;
    say(format_args!("{} is no longer a member", args.name));
    Ok(())
}

/// `chitty-server change`.
pub fn change(args: &ChangeArgs) -> Result<(), String> {
    use change_request::Change;
    let change = match &args.rename {
        Some(name) => Change::Name(name.clone()),
        None if args.free_name => Change::FreeName(true),
        None => Change::Role(role(args.admin).into()),
    };
    send_change(&args.data, args.name.clone(), change)?;
    say(format_args!("{} is changed", args.name));
    Ok(())
}

fn send_change(
    data: &DataArgs,
    member: String,
    change: change_request::Change,
) -> Result<(), String> {
    run(data, async |mut client| {
        let request = ChangeRequest {
            member,
            change: Some(change),
            lamport: 0,
        };
        client.change(request).await.map(drop)
    })
}

fn list(args: &DataArgs) -> Result<ListReply, String> {
    run(args, async |mut client| {
        let reply = client.list(ListRequest {}).await?;
        Ok(reply.into_inner())
    })
}

fn role_of(role: i32) -> chitty_chat::Role {
    v1::member::Role::try_from(role)
        .unwrap_or(v1::member::Role::Unspecified)
        .into()
}

fn name_of(members: &[v1::ListedMember], number: u64) -> &str {
    members
        .iter()
        .find(|member| member.number == number)
        .map_or("the operator", |member| &member.name)
}

fn local_time(at: SystemTime) -> String {
    Timestamp::try_from(at).map_or_else(
        |_| "?".to_owned(),
        |at| {
            let at = at.to_zoned(TimeZone::system());
            at.strftime("%Y-%m-%d %H:%M").to_string()
        },
    )
}

/// After the start of a closed server: if nobody is a member yet, nor invited, prints how the first
/// one gets in. A link is printed only to a terminal, so that no journal and no container's log has
/// one.
pub(crate) async fn greet(folder: PathBuf) {
    if let Err(error) = try_greet(&folder).await {
        warn!(error, "the first invitation cannot be made");
    }
}

async fn try_greet(folder: &Path) -> Result<(), String> {
    let mut client = answering(folder).await?;
    let list = client.list(ListRequest {}).await;
    let list = list
        .map_err(|status| status.message().to_owned())?
        .into_inner();
    let has_admin = list
        .members
        .iter()
        .any(|member| member.keys > 0 && role_of(member.role) == chitty_chat::Role::Admin);
    if has_admin {
        return Ok(());
    }
    if !io::stdout().is_terminal() {
        say(format_args!(
            "  nobody is an admin yet: run chitty-server invite --admin --data {} as this user",
            folder.display()
        ));
        return Ok(());
    }
    let place = link_place(folder)?;
    let secret = LinkSecret::random(&mut secret::os_random);
    let request = InviteRequest {
        secret_sha256: secret.hash().to_vec(),
        role: v1::member::Role::Admin.into(),
        uses: 1,
        ..InviteRequest::default()
    };
    let invited = client.invite(request).await;
    invited.map_err(|status| status.message().to_owned())?;
    say(format_args!(
        "  nobody is an admin yet: who opens this link first becomes one (once, within 24 hours)"
    ));
    say(format_args!("  {}", place.link(secret)));
    Ok(())
}

/// Connects to a server that has just started.
async fn answering(folder: &Path) -> Result<Client, String> {
    let mut failure = String::new();
    for _ in 0..ASK_TIMES {
        match connect(folder).await {
            Ok(client) => return Ok(client),
            Err(error) => failure = error,
        }
        tokio::time::sleep(ASK_EVERY).await;
    }
    Err(failure)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lifetime_has_a_unit() {
        for (text, seconds) in [
            ("90s", 90),
            ("30m", 1_800),
            ("24h", 86_400),
            ("7d", 604_800),
        ] {
            assert_eq!(
                parse_lifetime(text),
                Ok(Duration::from_secs(seconds)),
                "{text}"
            );
        }
        for text in ["", "24", "0s", "-1h", "tomorrow", "1y"] {
            parse_lifetime(text).expect_err(text);
        }
    }

    #[test]
    fn all_are_revoked_by_a_word_and_never_by_a_number() {
        assert_eq!(parse_number_or_all("all"), Ok(0));
        assert_eq!(parse_number_or_all("7"), Ok(7));
        for text in ["0", "", "-1", "All"] {
            parse_number_or_all(text).expect_err(text);
        }
    }
}
