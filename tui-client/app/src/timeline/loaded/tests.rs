//! The loaded part alone, without a pane: numbers and indices, and where the parts of the log meet.

use jiff::civil::date;
use proptest::prelude::*;

use super::{
    super::{entry::EntryContent, numbered::EntryNumber},
    *,
};
use crate::testing::message;

fn entry(position: u64) -> TimelineEntry {
    let event = message(position, position, "ada", "hi");
    let at = date(2026, 11, 23).at(14, 3, 0, 0);
    TimelineEntry::new(EntryContent::Event(event), at, position)
}

fn page(positions: Range<u64>) -> EntryPage {
    let ends =
        (!positions.is_empty()).then(|| (positions.start.into(), (positions.end - 1).into()));
    EntryPage {
        entries: positions.map(entry).collect(),
        ends,
    }
}

/// The numbers of the loaded events, each with its position.
fn numbered(loaded: &Loaded) -> Vec<(EntryNumber, Position)> {
    let numbered = loaded.entries().iter().enumerate();
    numbered
        .filter_map(|(index, entry)| Some((loaded.entries().number(index), entry.position()?)))
        .collect()
}

fn receive(loaded: &mut Loaded, count: u64) {
    for _ in 0..count {
        let position = loaded.last().next();
        assert!(loaded.receive(position));
        loaded.push(entry(position.get()), &PinnedEntries::default());
    }
}

#[test]
fn lines_of_an_earlier_chat_get_other_numbers_when_older_lines_come_between() {
    let mut loaded = Loaded::default();
    receive(&mut loaded, 2);
    loaded.begin_another_log();
    loaded.end_past();
    loaded.stream_continues_after(9.into());
    receive(&mut loaded, 1);
    let before: Vec<_> = (0..3).map(|index| loaded.entries().number(index)).collect();
    let shift = loaded.prepend(page(7..10), false);
    assert_eq!(loaded.entries().len(), 6);
    let after = before.iter().map(|number| number.shifted(shift));
    let indices: Vec<_> = after
        .map(|number| loaded.entries().index_of(number))
        .collect();
    assert_eq!(indices, [Some(0), Some(1), Some(5)]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever arrives and is fetched, an entry keeps its number, the positions have no gap, and
    /// the loaded part ends at the last event as long as there is no tail.
    #[test]
    fn numbers_stay_and_positions_are_consecutive(
        steps in prop::collection::vec((0..5_u8, 1..400_u64), 0..20),
    ) {
        let mut loaded = Loaded::default();
        loaded.stream_continues_after(5_000.into());
        receive(&mut loaded, 1);
        for (step, n) in steps {
            let before = numbered(&loaded);
            let mut same_part = true;
            match (step, loaded.ends()) {
                (0, _) => receive(&mut loaded, n),
                (1, (Some(low), _)) => {
                    let from = low.get().saturating_sub(n).max(1);
                    loaded.prepend(page(from..low.get()), from == 1);
                }
                (2, (_, Some(high))) => {
                    let from = high.get() + 1;
                    let to = (from + n).min(loaded.last().get() + 1);
                    loaded.append(page(from..to));
                }
                (3, _) => {
                    loaded.replace(page(n * 10..n * 10 + 50), false);
                    same_part = false;
                }
                (4, _) => same_part = !loaded.attach(),
                _ => {}
            }
            let after = numbered(&loaded);
            for (index, (number, _)) in after.iter().enumerate() {
                prop_assert_eq!(loaded.entries().index_of(*number), Some(index));
            }
            for (number, position) in before {
                // Numbers ascend.
                match after.binary_search_by_key(&number, |(number, _)| *number) {
                    Ok(index) => prop_assert_eq!(after[index].1, position),
                    Err(_) => prop_assert!(!same_part, "{:?} is gone", position),
                }
            }
            prop_assert!(after.windows(2).all(|pair| pair[0].1.next() == pair[1].1));
            let newest = after.last().map(|(_, position)| *position);
            prop_assert!(!loaded.is_attached() || newest == Some(loaded.last()));
        }
    }
}
