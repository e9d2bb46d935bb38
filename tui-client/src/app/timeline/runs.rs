//! Runs of joins and leaves: shown as one line, or one by one.

use std::{collections::VecDeque, fmt::Write as _};

use chitty_chat::{Event, EventKind, LeftReason};

use super::entry::{PresenceRun, TimelineEntry};
use crate::glyphs;

/// The shortest run that is folded into one line.
const LEAST: usize = 4;
/// The longest run in one line, so that the line is laid out quickly.
const MOST: usize = 64;
/// The largest number of names in the line of a run.
const NAMES: usize = 12;

/// Groups the runs of a page that was fetched.
pub(super) fn group(entries: &mut VecDeque<TimelineEntry>) {
    let mut from = 0;
    while from < entries.len() {
        let len = entries
            .range(from..)
            .enumerate()
            .take(MOST)
            .take_while(|(index, entry)| entry.is_presence() && (*index == 0 || !entry.new_day))
            .count();
        if len >= LEAST {
            fold(entries, from, len);
        }
        from += len.max(1);
    }
}

fn fold(entries: &mut VecDeque<TimelineEntry>, from: usize, len: usize) {
    for entry in entries.range_mut(from..from + len) {
        entry.run = PresenceRun::Member;
        entry.height.forget();
    }
    entries[from].run = PresenceRun::Head(len);
}

/// Adds the entry before the newest one to the run before it, or begins a run with it. The newest
/// entry always has its own sentence, and while the user reads further up, what is on screen stays
/// as it is: no entry is folded for which `is_pinned` says so.
pub(super) fn extend(
    entries: &mut VecDeque<TimelineEntry>,
    is_pinned: impl Fn(usize) -> bool,
    first_unread: Option<u64>,
) {
    let newest = entries.len().saturating_sub(1);
    let Some(last) = newest.checked_sub(1) else {
        return;
    };
    if is_pinned(last) || !entries[last].is_presence() || !entries[newest].is_presence() {
        return;
    }
    let mut from = last;
    while from > 0 && last - from < MOST {
        // A date or the unread line stands above its entry, so the entry has to be visible.
        let breaks = entries[from].new_day || first_unread == Some(entries[from].arrival);
        if breaks || !entries[from - 1].is_presence() {
            break;
        }
        from -= 1;
        match entries[from].run {
            PresenceRun::Head(len) if len == last - from && len < MOST => {
                return fold(entries, from, len + 1);
            }
            PresenceRun::Head(len) => {
                from += len;
                break;
            }
            PresenceRun::Alone | PresenceRun::Member => {}
        }
    }
    if last + 1 - from >= LEAST && !is_pinned(from) {
        fold(entries, from, last + 1 - from);
    }
}

/// Shows the members of the first run one by one if its head, where its line would be, was dropped.
pub(super) fn unfold_headless(entries: &mut VecDeque<TimelineEntry>) {
    for entry in entries {
        if entry.run != PresenceRun::Member {
            break;
        }
        entry.run = PresenceRun::Alone;
        entry.height.forget();
    }
}

/// The line of a run: "ada, bob joined · eve left (L3 to L9)".
pub(super) fn summary<'a>(events: impl Iterator<Item = &'a Event>) -> String {
    let mut text = String::new();
    let (mut deed, mut names, mut more) = ("", 0, 0_usize);
    let mut span = None;
    for event in events {
        let (first, _) = span.unwrap_or((event.lamport, event.lamport));
        span = Some((first, event.lamport));
        let (name, does) = match &event.kind {
            EventKind::Joined { name } => (name, "joined"),
            EventKind::Left { name, reason, .. } => (name, gone(*reason)),
            EventKind::Message { .. } | EventKind::Unknown => continue,
        };
        if names >= NAMES {
            more += 1;
            continue;
        }
        names += 1;
        if deed == does {
            text.push_str(", ");
        } else if !deed.is_empty() {
            let _ = write!(text, " {deed} · ");
        }
        deed = does;
        text.push_str(&glyphs::safe(name));
    }
    let _ = write!(text, " {deed}");
    if more > 0 {
        let _ = write!(text, " · {more} more came or went");
    }
    if let Some((first, last)) = span {
        let _ = write!(text, " (L{first} to L{last})");
    }
    text
}

fn gone(reason: LeftReason) -> &'static str {
    match reason {
        LeftReason::Lost => "lost the connection",
        LeftReason::Closed => "left with the server down",
        LeftReason::Removed => "was removed",
        LeftReason::Left | LeftReason::Unspecified => "left",
    }
}
