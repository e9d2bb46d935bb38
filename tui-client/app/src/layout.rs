//! The layout of the screen: pure geometry.

use ratatui_core::layout::Rect;

/// The participants pane is shown on screens of at least this many columns.
pub const PARTICIPANTS_FROM: u16 = 60;

/// The panes of the chat. A pane for which there is no space is empty.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Panes {
    /// The whole screen.
    pub screen: Rect,
    /// The messages.
    pub messages: Rect,
    /// The participants, with the rule on their left.
    pub participants: Option<Rect>,
    /// The alarm, above the status line.
    pub alarm: Rect,
    /// The rule with the status line.
    pub status: Rect,
    /// A hint for the user about the draft.
    pub hint: Rect,
    /// The rows of the draft, with prompt and counter.
    pub input: Rect,
}

/// How an input row is divided into prompt, draft and counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InputColumns {
    /// The columns of the prompt, with the space after it.
    pub prompt: u16,
    /// The columns of the draft.
    pub draft: u16,
    /// The columns of the counter, with the space before it.
    pub counter: u16,
}

/// Divides an input row of `width` columns; `name` is the width of the prompt's name.
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

/// How many rows each part of the screen asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WantedRows {
    /// The rows of the alarm.
    pub alarm: usize,
    /// The rows of the hint.
    pub hint: usize,
    /// The rows of the draft.
    pub draft: usize,
}

/// Divides a screen. The participants are shown if they are wanted and there is space.
pub fn panes(width: u16, height: u16, wanted: WantedRows, participants: bool) -> Panes {
    // A long draft must leave the conversation that it answers on screen.
    let most = (height / 3).max(2);
    let input = u16::try_from(wanted.draft)
        .unwrap_or(most)
        .clamp(1, most)
        .min(height);
    let status = u16::from(height > input);
    // The draft and the status come first; hint and alarm share what is left.
    let spare = (height - input - status).min(3);
    // The first row of the alarm has priority over the hint.
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

/// Gives the whole screen to the messages, except for the rows of the alarm.
pub fn messages_only(width: u16, height: u16, alarm: usize) -> Panes {
    let alarm = alarm_rows(height, alarm);
    let messages = height - alarm;
    Panes {
        screen: Rect::new(0, 0, width, height),
        messages: Rect::new(0, 0, width, messages),
        alarm: Rect::new(0, messages, width, alarm),
        ..Panes::default()
    }
}

/// At most half of the available rows, and at most four.
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
            let messages_only = messages_only(width, height, alarm);
            prop_assert_eq!(messages_only.messages.height + messages_only.alarm.height, height);
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
