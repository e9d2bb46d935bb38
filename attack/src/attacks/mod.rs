//! The attacks, one function each, in modules by what they use up.

mod calls;
mod connections;
mod frames;
mod logs;
mod seats;
mod together;

use std::{pin::Pin, time::Duration};

use chitty_load::process::promised;
use color_eyre::eyre::Result;
use tokio::time::Instant;

use crate::server::Server;

/// An attack, as a row of the table.
pub(crate) struct Attack {
    pub(crate) name: &'static str,
    /// What it does, in one line.
    pub(crate) what: &'static str,
    pub(crate) run: for<'a> fn(&'a Target<'a>) -> Running<'a>,
    /// Limits for the server if the attack is to check its memory against them; `None` for the
    /// default ones.
    pub(crate) limits: Option<Limits>,
}

/// The limits that bound a server's memory (docs/protocol.md, "Memory").
#[derive(Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) participants: u64,
    pub(crate) unjoined: u64,
    /// Memory for replies in MiB.
    pub(crate) replies: u64,
}

impl Limits {
    pub(crate) fn options(self) -> Vec<String> {
        let Self {
            participants,
            unjoined,
            replies,
        } = self;
        [
            ("--max-participants", participants.to_string()),
            ("--max-unjoined", unjoined.to_string()),
            ("--reply-budget", format!("{replies}MiB")),
        ]
        .into_iter()
        .flat_map(|(option, value)| [option.to_owned(), value])
        .collect()
    }

    /// KiB that may be resident in all, if `base` was resident before.
    pub(crate) const fn promised(self, base: u64) -> u64 {
        base + promised(self.participants, self.unjoined, self.replies)
    }
}

pub(crate) type Running<'a> = Pin<Box<dyn Future<Output = Result<Outcome>> + 'a>>;

/// The target of an attack, and how long it lasts.
pub(crate) struct Target<'a> {
    pub(crate) server: &'a Server,
    pub(crate) time: Duration,
    /// The size of the attack is divided by this.
    pub(crate) divisor: usize,
    /// Resident memory in KiB before it began.
    pub(crate) base: u64,
}

/// The result of an attack.
pub(crate) struct Outcome {
    /// How often it was done. 0 means that nothing was measured.
    pub(crate) done: u64,
    /// The figure that this attack is about.
    pub(crate) figure: String,
}

impl Target<'_> {
    pub(crate) fn until(&self) -> Instant {
        Instant::now() + self.time
    }

    /// This many, divided by the divisor.
    pub(crate) fn count(&self, all: usize) -> usize {
        (all / self.divisor).max(1)
    }

    /// The cost of each of this many, in KiB.
    fn memory_of_each(&self, count: u64) -> Result<u64> {
        let grown = self.server.memory()?.peak.saturating_sub(self.base);
        Ok(grown / count.max(1))
    }
}

macro_rules! attack {
    ($name:literal, $what:literal, $run:expr) => {
        Attack {
            name: $name,
            what: $what,
            run: |target| Box::pin($run(target)),
            limits: None,
        }
    };
}

pub(crate) const ALL: &[Attack] = &[
    attack!(
        "none",
        "nothing: what the others are compared with",
        nothing
    ),
    attack!(
        "zero-windows",
        "60 connections ask for 64 pages of History each, and have no room for them",
        calls::zero_windows
    ),
    attack!(
        "half-bodies",
        "200 connections begin 64 requests each to health and reflection, and do not end them",
        calls::half_bodies
    ),
    attack!(
        "unknown-leaves",
        "3 connections send Leave for sessions that do not exist",
        logs::unknown_leaves
    ),
    attack!(
        "history-loop",
        "400 connections of one participant read History as fast as they can",
        calls::history_loop
    ),
    attack!(
        "bad-joins",
        "4 connections send Joins that resume, under a name that is not valid",
        calls::bad_joins
    ),
    attack!(
        "seats",
        "260 loopback addresses join 50 times each",
        seats::loopback
    ),
    attack!(
        "seats-ipv6",
        "260 networks (/64) of one IPv6 prefix join 50 times each",
        seats::ipv6
    ),
    attack!(
        "watchers",
        "3 addresses hold 4,000 connections each with a Health/Watch",
        connections::watchers
    ),
    attack!(
        "join-flood",
        "4 connections from a newcomer's address send Joins as fast as they can",
        calls::join_flood
    ),
    attack!(
        "unread-welcomes",
        "198 hosts join 50 times each, and read none of their Welcomes",
        seats::unread_welcomes
    ),
    attack!("ping-flood", "4 connections send PING", frames::pings),
    attack!(
        "settings-flood",
        "4 connections send SETTINGS",
        frames::settings
    ),
    attack!(
        "window-flood",
        "4 connections send WINDOW_UPDATE",
        frames::windows
    ),
    attack!(
        "priority-flood",
        "4 connections send PRIORITY",
        frames::priorities
    ),
    attack!(
        "unknown-flood",
        "4 connections send frames of no known type",
        frames::unknown
    ),
    attack!(
        "empty-data-flood",
        "4 connections send DATA frames without data",
        frames::empty_data
    ),
    Attack {
        name: "together",
        what: "eight of these at once, against a server with smaller limits",
        run: |target| Box::pin(together::run(target)),
        limits: Some(together::LIMITS),
    },
];

async fn nothing(target: &Target<'_>) -> Result<Outcome> {
    tokio::time::sleep(target.time).await;
    Ok(Outcome {
        done: 1,
        figure: String::new(),
    })
}
