//! A loaded part of a log that is longer: what is fetched, and what stays on screen.

use proptest::prelude::*;

use super::{
    super::{loaded::MAX_ENTRIES, *},
    screen,
};
use crate::{
    port::HistoryPage,
    testing::{at, joined, message, welcome},
};

fn index(position: u64) -> usize {
    usize::try_from(position).expect("a short log")
}

/// A log of which a timeline loads a part.
struct Log(Vec<Event>);

impl Log {
    /// A log of this many events; each seventh line is followed by a run of joins.
    fn new(count: u64) -> Self {
        let event = |position| {
            let lamport = 10_000 + position;
            if position % 7 < 3 && position % 14 < 7 {
                joined(position, lamport, "eve")
            } else {
                message(
                    position,
                    lamport,
                    "ada",
                    &"word ".repeat(1 + index(position) % 30),
                )
            }
        };
        Self((1..=count).map(event).collect())
    }

    /// A timeline with the newest events, with the pane scrolled up by a row.
    fn timeline(&self, from: u64) -> Timeline {
        let mut timeline = Timeline::new(TimeZone::UTC);
        timeline.resize(60, 7);
        let mut welcome = welcome("bob", from, &[]);
        welcome.next = from.into();
        timeline.welcome(&welcome, at(1));
        for event in &self.0[index(from) - 1..] {
            timeline.event(event.clone(), None);
        }
        timeline
    }

    fn page(&self, page: HistoryPage, limit: u64) -> (&[Event], bool) {
        let end = self.0.len() as u64;
        let (from, to) = match page {
            HistoryPage::Before(before) => {
                (before.get().saturating_sub(limit).max(1), before.get())
            }
            HistoryPage::After(after) => (after.get() + 1, after.get() + 1 + limit),
            HistoryPage::At(at) => {
                let middle = at.get().saturating_sub(10_000);
                (middle.saturating_sub(limit / 2).max(1), middle + limit / 2)
            }
        };
        let (from, to) = (from.min(end + 1), to.min(end + 1));
        (&self.0[index(from) - 1..index(to.max(from)) - 1], from == 1)
    }

    fn answer(&self, timeline: &mut Timeline, limit: u64) -> bool {
        let Some(page) = timeline.wanted() else {
            return false;
        };
        let (events, start) = self.page(page, limit);
        assert!(timeline.paged(page, Some(events), start));
        true
    }
}

#[test]
fn older_lines_are_fetched_up_to_the_first() {
    let log = Log::new(30_000);
    let mut timeline = log.timeline(29_900);
    let mut pages = 0;
    for _ in 0..100_000 {
        if timeline.has_first() && screen(&timeline)[0].contains("Monday") {
            break;
        }
        timeline.page_up();
        let before = screen(&timeline);
        if log.answer(&mut timeline, 500) {
            pages += 1;
            assert_eq!(screen(&timeline), before, "after page {pages}");
        }
        assert!(timeline.entries().len() <= MAX_ENTRIES);
    }
    assert_eq!(pages, 60);
    assert!(
        screen(&timeline)
            .iter()
            .any(|row| row == "L10001" || row.is_empty())
    );
    // Back down to the newest.
    for _ in 0..100_000 {
        if timeline.below().is_none() {
            break;
        }
        timeline.page_down();
        log.answer(&mut timeline, 500);
    }
    assert_eq!(timeline.below(), None);
    assert_eq!(
        timeline
            .entries()
            .iter()
            .next_back()
            .and_then(TimelineEntry::position),
        Some(30_000.into())
    );
}

#[test]
fn a_frame_costs_what_is_visible() {
    let log = Log::new(9_000);
    let mut timeline = log.timeline(1);
    let mut most = 0;
    while timeline.rows_on_screen().0 > 0 {
        timeline.layout.laid_out.set(0);
        timeline.page_up();
        timeline.visible();
        most = most.max(timeline.layout.laid_out.get());
    }
    // Measured once when it becomes visible, and then drawn.
    assert!(
        most <= 4 * timeline.viewport.page(),
        "{most} blocks in a pane of {}",
        timeline.viewport.page()
    );
}

#[test]
fn a_page_that_cannot_be_had_is_not_asked_for_again_and_again() {
    let log = Log::new(900);
    let mut timeline = log.timeline(800);
    timeline.page_up();
    let page = timeline.wanted().expect("there is more");
    assert_eq!(page, HistoryPage::Before(800.into()));
    assert_eq!(timeline.wanted(), None, "one at a time");
    timeline.paged(page, None, false);
    assert_eq!(timeline.wanted(), None);
    timeline.retry_pages();
    assert_eq!(timeline.wanted(), Some(page));
}

proptest! {
    /// Whatever arrives or is fetched while the user reads, the rows on screen stay, and the loaded
    /// part has no gap or repeat.
    #[test]
    fn nothing_jumps(
        from in 2000..2400_u64,
        steps in prop::collection::vec((0..10_u8, 1..80_usize, 1..300_u64), 0..60),
    ) {
        let log = Log::new(2400);
        let mut timeline = log.timeline(from);
        for (step, n, limit) in steps {
            let next = timeline.loaded.last().next().get();
            let reads = timeline.below().is_some();
            let before = screen(&timeline);
            match step {
                0 => timeline.up(n),
                1 => timeline.down(n),
                2 | 3 => timeline.page_up(),
                4 => timeline.page_down(),
                5 => timeline.follow(),
                6 => {
                    let to = log.0[n * 20].lamport;
                    let (events, start) = log.page(HistoryPage::At(to), limit);
                    timeline.jump(events, start, log.0[n * 20].position);
                }
                7 => {
                    timeline.event(message(next, 10_000 + next, "bob", "news"), None);
                }
                8 => timeline.select_older(),
                _ => {
                    log.answer(&mut timeline, limit);
                }
            }
            if reads && matches!(step, 7 | 9) {
                // Empty rows may be filled, and a date may disappear.
                let after = screen(&timeline);
                for (was, is) in before.iter().rev().zip(after.iter().rev()) {
                    prop_assert!(was == is || was.contains("November"), "{before:?} {after:?}");
                }
            }
            let positions: Vec<_> = timeline.entries().iter().filter_map(TimelineEntry::position).collect();
            prop_assert!(positions.windows(2).all(|pair| pair[0].next() == pair[1]));
            let (from, to, above) = timeline.rows_on_screen();
            let total: usize = (from..to).map(|index| timeline.height(index)).sum();
            let all: usize = (0..timeline.count()).map(|index| timeline.height(index)).sum();
            prop_assert!(total - above >= timeline.viewport.page().min(all));
        }
    }

    #[test]
    fn selecting_and_folding_never_leave_the_window(
        steps in prop::collection::vec((0..8_u8, 0..30_usize), 0..80),
    ) {
        let log = Log::new(300);
        let mut timeline = log.timeline(200);
        for (step, n) in steps {
            match step {
                0 => timeline.select_older(),
                1 => {
                    if !timeline.select_newer() {
                        timeline.deselect();
                    }
                },
                2 => timeline.select_row(n),
                3 => timeline.expand(n % 2 == 0),
                4 => timeline.resize(n * 4, n / 2),
                5 => timeline.deselect(),
                6 => { log.answer(&mut timeline, 50); }
                _ => timeline.up(n),
            }
            let (blocks, above) = timeline.visible();
            let rows: usize = blocks.iter().map(Block::height).sum();
            prop_assert!(rows == 0 || above < rows);
            if matches!(step, 0 | 1) && timeline.is_selecting() && timeline.viewport.page() > 12 {
                prop_assert!(blocks.iter().any(|block| block.selected));
            }
        }
    }
}

#[test]
fn longer_names_further_up_move_nothing_that_is_read() {
    let text = "some words that take two rows of a pane that is not wide, as this one";
    let mut timeline = Timeline::new(TimeZone::UTC);
    timeline.resize(60, 7);
    let mut from = welcome("ada", 10, &[]);
    from.next = 10.into();
    timeline.welcome(&from, at(1));
    for position in 10..30 {
        timeline.event(message(position, 100 + position, "bob", text), None);
    }
    timeline.up(5);
    let start = |timeline: &Timeline| timeline.columns().text();
    let (before, narrow) = (screen(&timeline), start(&timeline));
    let page: Vec<_> = (1..10)
        .map(|position| message(position, 100 + position, "Wilhelmina", text))
        .collect();
    assert_eq!(timeline.wanted(), Some(HistoryPage::Before(10.into())));
    timeline.paged(HistoryPage::Before(10.into()), Some(&page), true);
    assert_eq!((screen(&timeline), start(&timeline)), (before, narrow));
    timeline.follow();
    assert_eq!(start(&timeline), narrow + "Wilhelmina".len() - "bob".len());
}
