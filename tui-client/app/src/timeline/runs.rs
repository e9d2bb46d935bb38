//! Runs of joins and leaves: shown as one line, or one by one.

use std::{
    collections::{BTreeMap, VecDeque},
    fmt::Write as _,
};

use chitty_chat::{Event, EventKind, LamportTime, LeftReason};

use super::entry::{PresenceRun, TimelineEntry};
use crate::glyphs;

/// The shortest run that is folded into one line.
const LEAST: usize = 4;
/// The longest run in one line, so that the line is laid out quickly.
const MOST: usize = 64;
/// The largest number of names in the line of a run.
const NAMES: usize = 12;
/// So many changes of one participant in a run are counted instead of listed.
const RESTLESS: usize = 4;

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

/// The line of a run: "ada, bob joined · eve left (L3 to L9)". A participant who comes and goes again
/// and again is counted instead: "eve came or went 9 times".
pub(super) fn summary<'a>(events: impl Iterator<Item = &'a Event>) -> String {
    let changes: Vec<_> = events.filter_map(change).collect();
    let mut times = BTreeMap::new();
    for (name, ..) in &changes {
        *times.entry(*name).or_insert(0_usize) += 1;
    }
    let mut text = String::new();
    let (mut deed, mut names, mut more) = ("", 0, 0_usize);
    let mut restless = Vec::new();
    for &(name, does, _) in &changes {
        let times = times[name];
        if times >= RESTLESS {
            if !restless.contains(&(name, times)) {
                restless.push((name, times));
            }
            continue;
        }
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
    let mut parts = Vec::new();
    parts.extend((!text.is_empty()).then(|| format!("{text} {deed}")));
    let count = |(name, times)| format!("{} came or went {times} times", glyphs::safe(name));
    parts.extend(restless.into_iter().map(count));
    parts.extend((more > 0).then(|| format!("{more} more came or went")));
    let mut text = parts.join(" · ");
    if let (Some((.., first)), Some((.., last))) = (changes.first(), changes.last()) {
        let _ = write!(text, " (L{first} to L{last})");
    }
    text
}

/// The participant who came or went, how, and when.
fn change(event: &Event) -> Option<(&str, &'static str, LamportTime)> {
    let (name, does) = match &event.kind {
        EventKind::Joined { name, .. } => (name, "joined"),
        EventKind::Left { name, reason, .. } => (name, gone(*reason)),
        EventKind::Message { .. }
        | EventKind::Member(_)
        | EventKind::Invitation(_)
        | EventKind::Unknown => return None,
    };
    Some((name, does, event.lamport))
}

fn gone(reason: LeftReason) -> &'static str {
    match reason {
        LeftReason::Lost => "lost the connection",
        LeftReason::Closed => "left with the server down",
        LeftReason::Removed => "was removed",
        LeftReason::Left | LeftReason::Unspecified => "left",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{joined, left};

    #[test]
    fn whoever_comes_and_goes_again_and_again_is_counted() {
        let mut events = vec![joined(1, 3, "ada")];
        for visit in 0..4 {
            events.push(joined(2 + 2 * visit, 10 * visit + 5, "eve"));
            events.push(left(3 + 2 * visit, 10 * visit + 8, "eve", 2 + 2 * visit));
        }
        events.push(left(10, 41, "ada", 1));
        assert_eq!(
            summary(events.iter()),
            "ada joined · ada left · eve came or went 8 times (L3 to L41)"
        );
        assert_eq!(
            summary(events[1..9].iter()),
            "eve came or went 8 times (L5 to L38)"
        );
        assert_eq!(
            summary(events[..3].iter()),
            "ada, eve joined · eve left (L3 to L8)"
        );
    }
}
