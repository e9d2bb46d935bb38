//! The options of a server, and the configuration that they make.

use std::{
    path::PathBuf,
    time::{Duration, SystemTime},
};

use chitty_chat::secret;
use clap::{Args as ClapArgs, builder::BoolishValueParser};

use super::values::{
    Limited, parse_keep, parse_number, parse_participants, parse_rate, parse_seconds, parse_size,
    user_path,
};
use crate::{
    advertise::Advertised,
    app::ServerConfig,
    follower,
    listen::{DEFAULT, Listen},
    log::Keep,
    net, sequencer,
};
use chitty_room::{Access, RoomRules};

/// The options of a server.
#[derive(Clone, Debug, ClapArgs)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is an option of its own"
)]
pub struct ServeArgs {
    /// Address or host name, and port, to listen on: 127.0.0.1 is for this machine only, 0.0.0.0
    /// also for others. Port 0 picks a free one; none keeps to the socket in the data folder
    ///
    /// A port that others can reach takes TLS only, with the server's own key.
    #[arg(
        long,
        env = "CHITTY_LISTEN",
        value_name = "ADDR|none",
        default_value = DEFAULT
    )]
    pub listen: Listen,

    /// Take plain text also from other machines: everybody on the way can read and change
    /// everything
    #[arg(long, env = "CHITTY_INSECURE", value_parser = BoolishValueParser::new())]
    pub insecure: bool,

    /// Let everybody in who can reach the server, under any free name, also if the chat has members
    #[arg(long, env = "CHITTY_OPEN", value_parser = BoolishValueParser::new(), conflicts_with = "closed")]
    pub open: bool,

    /// Let only members in, also on this machine [default: if the chat has members, or if other
    /// machines can reach a port]
    #[arg(long, env = "CHITTY_CLOSED", value_parser = BoolishValueParser::new())]
    pub closed: bool,

    /// Host name or address, and port, that links to this server have: those by which others reach
    /// it [default: the address that it listens on]
    #[arg(long, env = "CHITTY_ADVERTISE", value_name = "HOST[:PORT]")]
    pub advertise: Option<Advertised>,

    /// Folder that the chat is kept in [default: chitty-chat in the XDG data folder]
    #[arg(long, env = "CHITTY_DATA", value_name = "DIR", value_parser = user_path())]
    pub data: Option<PathBuf>,

    /// Folder for log files, which must be yours or root's; others may write to it only if they
    /// cannot rename your files there, as in /tmp [default: ./logs if it exists, is yours, and
    /// others cannot write to it, otherwise chitty-chat in the XDG state folder]
    #[arg(long, env = "CHITTY_LOG_DIR", value_name = "DIR", value_parser = user_path())]
    pub log_dir: Option<PathBuf>,

    /// Keep the chat in memory only, and leave the data folder alone
    #[arg(long, env = "CHITTY_EPHEMERAL", value_parser = BoolishValueParser::new())]
    pub ephemeral: bool,

    /// Keep only the newest events: a number of them (100000), or a size (64MiB) [default: all]
    ///
    /// Up to a tenth more is kept in between. What is remembered of the older events, to recognise
    /// retries and sessions, adds at most 20 MB.
    #[arg(long, env = "CHITTY_KEEP", value_name = "EVENTS|SIZE", value_parser = parse_keep)]
    pub keep: Option<Keep>,

    /// Seconds that a participant whose connection is lost has to come back
    #[arg(long, env = "CHITTY_GRACE", value_name = "SECONDS", default_value = "10", value_parser = parse_seconds)]
    pub grace: Duration,

    /// Seconds that those who were present have to come back after a restart
    #[arg(long, env = "CHITTY_RESTART_GRACE", value_name = "SECONDS", default_value = "30", value_parser = parse_seconds)]
    pub restart_grace: Duration,

    /// Participants that may be present at once; at most 20000
    #[arg(
        long,
        env = "CHITTY_MAX_PARTICIPANTS",
        value_name = "NUMBER",
        default_value = "10000",
        value_parser = parse_participants
    )]
    pub max_participants: usize,

    /// Participants that may join from one address [default: half of --max-participants, at most
    /// 1000]
    ///
    /// All loopback addresses count as one, and so does an IPv6 /64 network. An IPv6 /48 network
    /// may have twice as many.
    #[arg(
        long,
        env = "CHITTY_MAX_PARTICIPANTS_PER_ADDRESS",
        value_name = "NUMBER",
        value_parser = parse_number
    )]
    pub max_participants_per_address: Option<usize>,

    /// Messages that a participant may send: RATE a second, and BURST at once after a pause; or off
    /// for no limit
    #[arg(long, env = "CHITTY_PUBLISH_RATE", value_name = "RATE/BURST|off", default_value = "5/10", value_parser = parse_rate)]
    pub publish_rate: Limited,

    /// Participants that may join from one address: RATE a second, and BURST at once; or off for no
    /// limit
    ///
    /// A participant that resumes after a lost connection counts against --stream-rate instead.
    #[arg(long, env = "CHITTY_JOIN_RATE", value_name = "RATE/BURST|off", default_value = "10/50", value_parser = parse_rate)]
    pub join_rate: Limited,

    /// Streams that a participant may begin, by resuming or by joining once more: RATE a second, and
    /// BURST at once; or off
    #[arg(long, env = "CHITTY_STREAM_RATE", value_name = "RATE/BURST|off", default_value = "2/20", value_parser = parse_rate)]
    pub stream_rate: Limited,

    /// Connections that the server accepts, in all
    #[arg(long, env = "CHITTY_MAX_CONNECTIONS", value_name = "NUMBER", default_value_t = net::Limits::default().connections, value_parser = parse_number)]
    pub max_connections: usize,

    /// Connections that the server accepts from one address; an IPv6 /48 network may have twice as many
    #[arg(long, env = "CHITTY_MAX_CONNECTIONS_PER_ADDRESS", value_name = "NUMBER", default_value_t = net::Limits::default().connections_per_source, value_parser = parse_number)]
    pub max_connections_per_address: usize,

    /// Connections without a participant; beyond that, the one that was idle for the longest is
    /// closed
    ///
    /// One is also closed when connections run out. A participant's connection is never closed for
    /// this.
    #[arg(long, env = "CHITTY_MAX_UNJOINED", value_name = "NUMBER", default_value_t = net::Limits::default().unjoined, value_parser = parse_number)]
    pub max_unjoined: usize,

    /// Seconds that a connection may last without a participant, or a call from one
    #[arg(long, env = "CHITTY_JOIN_WITHIN", value_name = "SECONDS", default_value = "60", value_parser = parse_seconds)]
    pub join_within: Duration,

    /// Memory for replies that clients have not received yet, in all; at least 528KiB
    #[arg(long, env = "CHITTY_REPLY_BUDGET", value_name = "SIZE", default_value = "32MiB", value_parser = parse_size)]
    pub reply_budget: usize,

    /// Seconds that a new connection has to send its first request
    #[arg(long, env = "CHITTY_FIRST_REQUEST", value_name = "SECONDS", default_value = "10", value_parser = parse_seconds)]
    pub first_request: Duration,

    /// Seconds after which a lagging participant that does not read is cut off
    #[arg(long, env = "CHITTY_STALL", value_name = "SECONDS", default_value = "60", value_parser = parse_seconds)]
    pub stall: Duration,

    /// Seconds without a participant after which the server exits [default: never]
    #[arg(long, env = "CHITTY_IDLE_EXIT", value_name = "SECONDS", value_parser = parse_seconds)]
    pub idle_exit: Option<Duration>,

    /// Detach from the parent process, for a server that a client starts
    #[arg(long, hide = true)]
    pub detach: bool,
}

/// More participants than an office or a lecture hall has, and a tenth of all seats by default.
const MOST_PER_ADDRESS: usize = 1_000;

/// The default limit for one address: it always leaves half of the seats to others.
fn default_per_address(max_participants: usize) -> usize {
    max_participants.div_ceil(2).min(MOST_PER_ADDRESS)
}

impl ServeArgs {
    /// The configuration that these options make.
    /// The configuration of the server, and who may take part.
    pub(super) fn config(&self, access: Access) -> ServerConfig {
        let rules = RoomRules {
            grace: self.grace,
            restart_grace: self.restart_grace,
            max_participants: self.max_participants,
            max_participants_per_source: self
                .max_participants_per_address
                .unwrap_or_else(|| default_per_address(self.max_participants)),
            publish_rate: self.publish_rate.0,
            join_rate: self.join_rate.0,
            stream_rate: self.stream_rate.0,
            access,
        };
        ServerConfig {
            sequencer: sequencer::SequencerConfig {
                rules,
                keep: self.keep,
                idle_exit: self.idle_exit,
                wall: wall_clock,
            },
            followers: follower::FollowerLimits {
                stall: self.stall,
                ..follower::FollowerLimits::default()
            },
            connections: net::Limits {
                connections: self.max_connections,
                connections_per_source: self.max_connections_per_address,
                unjoined: self.max_unjoined,
                first_request: self.first_request,
                join_within: self.join_within,
                replies: self.reply_budget,
                ..net::Limits::default()
            },
            random: secret::os_random,
            failed: super::report_failure,
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "this is the edge")]
fn wall_clock() -> SystemTime {
    SystemTime::now()
}
