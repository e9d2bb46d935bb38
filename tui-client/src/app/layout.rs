//! Which pane is where: pure geometry.

use ratatui::layout::Rect;

/// A screen of fewer columns has no participants pane.
pub const PARTICIPANTS_FROM: u16 = 60;

/// The panes of the chat. A pane without room is empty.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Panes {
    /// The whole screen.
    pub screen: Rect,
    /// What was said.
    pub messages: Rect,
    /// Who is present, with the rule on its left.
    pub participants: Option<Rect>,
    /// What must not be overlooked: above the status.
    pub alarm: Rect,
    /// The rule with the status.
    pub status: Rect,
    /// A word to the user about the draft.
    pub hint: Rect,
    /// The rows of the draft, with prompt and counter.
    pub input: Rect,
}

/// How an input row is divided: prompt, draft, counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InputColumns {
    /// Columns of the prompt, with the space behind it.
    pub prompt: u16,
    /// Columns of the draft.
    pub draft: u16,
    /// Columns of the counter, with the space before it.
    pub counter: u16,
}

/// Divides an input row of `width`; `name` is how wide the name before it is.
pub fn input_columns(width: u16, name: usize) -> InputColumns {
    let counter = match width {
        0..12 => 0,
        12..60 => 6,
        _ => 7,
    };
    let name = u16::try_from(name).unwrap_or(u16::MAX);
    let prompt = match width {
        0..8 => 0,
        8..50 => 2,
        // "ada › "
        _ => name.min(16) + 4,
    };
    InputColumns {
        prompt,
        draft: width.saturating_sub(prompt + counter),
        counter,
    }
}

/// How many rows the parts of a screen would like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WantedRows {
    /// What must not be overlooked.
    pub alarm: usize,
    /// A word to the user.
    pub hint: usize,
    /// The draft.
    pub draft: usize,
}

/// Divides a screen. The participants are shown where there is room, and they are wanted.
pub fn panes(width: u16, height: u16, wanted: WantedRows, participants: bool) -> Panes {
    let most = (height / 3).max(2);
    let input = u16::try_from(wanted.draft)
        .unwrap_or(most)
        .clamp(1, most)
        .min(height);
    let status = u16::from(height > input);
    let spare = (height - input - status).min(3);
    // A row of the alarm comes before a word to the user.
    let first = u16::from(wanted.alarm > 0 && spare > 0);
    let hint = u16::try_from(wanted.hint)
        .unwrap_or(spare)
        .min(spare - first);
    let alarm = alarm_rows(height - input - status - hint, wanted.alarm);
    let messages = height - input - status - hint - alarm;

    let screen = Rect::new(0, 0, width, height);
    let side = if participants && width >= PARTICIPANTS_FROM {
        (width / 5).clamp(18, 30)
    } else {
        0
    };
    let row = |y, rows| Rect::new(0, y, width, rows);
    Panes {
        screen,
        messages: Rect::new(0, 0, width - side, messages),
        participants: (side > 0).then(|| Rect::new(width - side, 0, side, messages)),
        alarm: row(messages, alarm),
        status: row(messages + alarm, status),
        hint: row(messages + alarm + status, hint),
        input: row(messages + alarm + status + hint, input),
    }
}

/// The messages have the whole screen, but for so many rows that must not be overlooked.
pub fn bare(width: u16, height: u16, alarm: usize) -> Panes {
    let alarm = alarm_rows(height, alarm);
    let messages = height - alarm;
    Panes {
        screen: Rect::new(0, 0, width, height),
        messages: Rect::new(0, 0, width, messages),
        alarm: Rect::new(0, messages, width, alarm),
        ..Panes::default()
    }
}

/// At most half of the rows that there are, and at most four.
fn alarm_rows(space: u16, wanted: usize) -> u16 {
    let most = space.div_ceil(2).min(4);
    u16::try_from(wanted).unwrap_or(most).min(most)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_panes_fill_the_screen(width: u16, height: u16, draft in 0..100_usize, hint in 0..9_usize, alarm in 0..9_usize, side: bool) {
            let bare = bare(width, height, alarm);
            prop_assert_eq!(bare.messages.height + bare.alarm.height, height);
            let panes = panes(width, height, WantedRows { alarm, hint, draft }, side);
            prop_assert_eq!(
                panes.messages.height
                    + panes.alarm.height
                    + panes.status.height
                    + panes.hint.height
                    + panes.input.height,
                height
            );
            prop_assert!(alarm == 0 || height < 3 || panes.alarm.height > 0);
            let side = panes.participants.map_or(0, |side| side.width);
            prop_assert_eq!(panes.messages.width + side, width);
            prop_assert!(height == 0 || panes.input.height > 0);
        }
    }
}
