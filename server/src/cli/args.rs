//! The options of a server, and what is configured by them.

use std::{
    net::SocketAddr,
    path::PathBuf,
    time::{Duration, SystemTime},
};

use chitty_chat::secret;
use clap::{Args as ClapArgs, builder::BoolishValueParser};

use super::values::{
    Limited, parse_keep, parse_participants, parse_rate, parse_seconds, parse_size,
};
use crate::{app::Config, follower, log::Keep, net, room::Rules, sequencer};

/// The options of a server.
#[derive(Clone, Debug, ClapArgs)]
pub struct Args {
    /// Address and port to listen on; port 0 picks a free one
    #[arg(
        long,
        env = "CHITTY_LISTEN",
        value_name = "ADDR",
        default_value = "127.0.0.1:50051"
    )]
    pub listen: SocketAddr,

    /// Folder that the chat is kept in [default: chitty-chat in the XDG data folder]
    #[arg(long, env = "CHITTY_DATA", value_name = "DIR")]
    pub data: Option<PathBuf>,

    /// Folder for log files [default: ./logs if it is there, else chitty-chat in the XDG state
    /// folder]
    #[arg(long, env = "CHITTY_LOG_DIR", value_name = "DIR")]
    pub log_dir: Option<PathBuf>,

    /// Keep the chat in memory only, and leave the data folder alone
    #[arg(long, env = "CHITTY_EPHEMERAL", value_parser = BoolishValueParser::new())]
    pub ephemeral: bool,

    /// Keep the newest events, so many (100000) or so many bytes (64MiB) [default: all]
    ///
    /// Up to a tenth more is kept in between. What is remembered of the rest, to tell retries and
    /// sessions, adds at most 20 MB.
    #[arg(long, env = "CHITTY_KEEP", value_name = "EVENTS|SIZE", value_parser = parse_keep)]
    pub keep: Option<Keep>,

    /// Seconds that a participant whose connection is lost has to come back
    #[arg(long, env = "CHITTY_GRACE", value_name = "SECONDS", default_value = "10", value_parser = parse_seconds)]
    pub grace: Duration,

    /// Seconds that those who were present have to come back after a restart
    #[arg(long, env = "CHITTY_RESTART_GRACE", value_name = "SECONDS", default_value = "30", value_parser = parse_seconds)]
    pub restart_grace: Duration,

    /// How many may be present at once; at most 20000
    #[arg(
        long,
        env = "CHITTY_MAX_PARTICIPANTS",
        value_name = "NUMBER",
        default_value = "10000",
        value_parser = parse_participants
    )]
    pub max_participants: usize,

    /// How many of them may join from one address [default: half of --max-participants, at most
    /// 1000]
    ///
    /// All loopback addresses count as one, and so does an IPv6 /64 network. An IPv6 /48 network
    /// may have twice as many.
    #[arg(
        long,
        env = "CHITTY_MAX_PARTICIPANTS_PER_ADDRESS",
        value_name = "NUMBER"
    )]
    pub max_participants_per_address: Option<usize>,

    /// Messages of a participant: so many a second, and after a pause so many at once; or off
    #[arg(long, env = "CHITTY_PUBLISH_RATE", value_name = "RATE/BURST|off", default_value = "5/10", value_parser = parse_rate)]
    pub publish_rate: Limited,

    /// Participants who join from one address: so many a second, and so many at once; or off
    ///
    /// Who resumes after a lost connection is not counted here, but by --stream-rate.
    #[arg(long, env = "CHITTY_JOIN_RATE", value_name = "RATE/BURST|off", default_value = "10/50", value_parser = parse_rate)]
    pub join_rate: Limited,

    /// Streams that one participant begins, by resuming or by joining once more: so many a second,
    /// and so many at once; or off
    #[arg(long, env = "CHITTY_STREAM_RATE", value_name = "RATE/BURST|off", default_value = "2/20", value_parser = parse_rate)]
    pub stream_rate: Limited,

    /// Connections in all
    #[arg(long, env = "CHITTY_MAX_CONNECTIONS", value_name = "NUMBER", default_value_t = net::Limits::default().connections)]
    pub max_connections: usize,

    /// Connections from one address; an IPv6 /48 network may have twice as many
    #[arg(long, env = "CHITTY_MAX_CONNECTIONS_PER_ADDRESS", value_name = "NUMBER", default_value_t = net::Limits::default().connections_per_source)]
    pub max_connections_per_address: usize,

    /// Connections without a participant: when there are more, the idlest is closed
    ///
    /// It is closed also when connections run out. A participant's connection never is.
    #[arg(long, env = "CHITTY_MAX_UNJOINED", value_name = "NUMBER", default_value_t = net::Limits::default().unjoined)]
    pub max_unjoined: usize,

    /// Seconds that a connection may last without a participant, or a call of one
    #[arg(long, env = "CHITTY_JOIN_WITHIN", value_name = "SECONDS", default_value = "60", value_parser = parse_seconds)]
    pub join_within: Duration,

    /// Memory for replies that are not taken yet, in all; at least 528KiB
    #[arg(long, env = "CHITTY_REPLY_BUDGET", value_name = "SIZE", default_value = "32MiB", value_parser = parse_size)]
    pub reply_budget: usize,

    /// Seconds that a new connection has to send its first request
    #[arg(long, env = "CHITTY_FIRST_REQUEST", value_name = "SECONDS", default_value = "10", value_parser = parse_seconds)]
    pub first_request: Duration,

    /// Seconds after which a participant that is behind and does not read is cut off
    #[arg(long, env = "CHITTY_STALL", value_name = "SECONDS", default_value = "60", value_parser = parse_seconds)]
    pub stall: Duration,

    /// End when nobody has been present for so many seconds [default: never]
    #[arg(long, env = "CHITTY_IDLE_EXIT", value_name = "SECONDS", value_parser = parse_seconds)]
    pub idle_exit: Option<Duration>,

    /// Leave the terminal's session, for a server that a client starts
    #[arg(long, hide = true)]
    pub detach: bool,
}

/// More than an office or a lecture hall needs, and a tenth of the seats by default.
const MOST_PER_ADDRESS: usize = 1_000;

/// Whatever is configured, one address leaves room for others.
fn default_per_address(max_participants: usize) -> usize {
    max_participants.div_ceil(2).min(MOST_PER_ADDRESS)
}

impl Args {
    /// What these options say.
    pub(super) fn config(&self) -> Config {
        let rules = Rules {
            grace: self.grace,
            restart_grace: self.restart_grace,
            max_participants: self.max_participants,
            max_participants_per_source: self
                .max_participants_per_address
                .unwrap_or_else(|| default_per_address(self.max_participants)),
            publish_rate: self.publish_rate.0,
            join_rate: self.join_rate.0,
            stream_rate: self.stream_rate.0,
        };
        Config {
            sequencer: sequencer::Config {
                rules,
                keep: self.keep,
                idle_exit: self.idle_exit,
                wall: wall_clock,
            },
            followers: follower::Limits {
                stall: self.stall,
                ..follower::Limits::default()
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
            failed: super::tell_failure,
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "this is the edge")]
fn wall_clock() -> SystemTime {
    SystemTime::now()
}
