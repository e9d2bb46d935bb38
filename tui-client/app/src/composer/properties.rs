//! Properties of the composer: any edits in any order.

use proptest::prelude::*;

use super::{tests::with, *};
use crate::glyphs;

fn edit() -> impl Strategy<Value = Edit> {
    use Edit as E;
    let named = prop::sample::select(vec![
        E::Left,
        E::Right,
        E::WordLeft,
        E::WordRight,
        E::LineStart,
        E::LineEnd,
        E::Start,
        E::End,
        E::DeleteLeft,
        E::DeleteRight,
        E::CutWordLeft,
        E::CutWordRight,
        E::CutSpacedLeft,
        E::CutLineLeft,
        E::CutLineRight,
        E::Yank,
        E::YankEarlier,
        E::Transpose,
        E::TransposeWords,
        E::Uppercase,
        E::Lowercase,
        E::Capitalize,
    ]);
    // Flags, joiners and marks change the characters between which they are inserted.
    let sticky = prop::sample::select(vec![
        '🇩', '🇰', '\u{200d}', '👩', '\u{301}', '한', 'ก', '\u{e33}', '\n', ' ',
    ]);
    prop_oneof![
        3 => named,
        2 => any::<char>().prop_map(E::Insert),
        2 => sticky.prop_map(E::Insert),
        1 => prop::char::range('a', 'z').prop_map(E::Insert),
    ]
}

/// What can be done to a composer.
#[derive(Clone, Debug)]
enum Act {
    Edit(Edit),
    Paste(String),
    Lay(usize),
    Do(fn(&mut Composer)),
}

fn act() -> impl Strategy<Value = Act> {
    let others: Vec<fn(&mut Composer)> = vec![
        Composer::up,
        Composer::down,
        Composer::earlier,
        Composer::later,
        Composer::take,
        Composer::search_history,
        Composer::search_history_newer,
        Composer::take_found,
        |composer| _ = composer.cancel(),
        |composer| _ = composer.edit_query(Edit::Insert('a')),
        |composer| _ = composer.complete(CompletionStep::Next, ["a b", "é", "👩"].into_iter()),
        |composer| _ = composer.complete(CompletionStep::Previous, ["a", "ab"].into_iter()),
        |composer| _ = composer.edit(Edit::Undo),
        |composer| _ = composer.edit(Edit::Redo),
    ];
    prop_oneof![
        6 => edit().prop_map(Act::Edit),
        1 => any::<String>().prop_map(Act::Paste),
        1 => (0..30_usize).prop_map(Act::Lay),
        4 => prop::sample::select(others).prop_map(Act::Do),
    ]
}

fn on_a_boundary(composer: &Composer) -> bool {
    let draft = composer.editor.draft();
    let mut at = 0;
    let mut places = glyphs::graphemes(draft.text()).map(|(grapheme, _)| {
        at += grapheme.len();
        at
    });
    draft.caret() == 0 || places.any(|place| place == draft.caret())
}

proptest! {
    #[test]
    fn whatever_is_done_the_caret_is_between_characters_and_in_the_box(
        acts in prop::collection::vec(act(), 0..60),
    ) {
        let mut composer = Composer::default();
        let mut columns = 10;
        for act in acts {
            match act {
                Act::Edit(edit) => _ = composer.edit(edit),
                Act::Paste(text) => _ = composer.paste(&text),
                Act::Lay(other) => columns = other,
                Act::Do(act) => act(&mut composer),
            }
            composer.lay(columns);
            prop_assert!(on_a_boundary(&composer));
            let DraftLayout { rows, caret, .. } = composer.laid();
            prop_assert!(caret.0 < rows.len());
            prop_assert!(caret.1 < columns.max(1));
        }
    }

    #[test]
    fn undo_goes_back_to_the_very_text_and_redo_returns(
        draft in "[a-z \n]{0,20}",
        edits in prop::collection::vec(edit(), 0..60),
    ) {
        let mut composer = with(&draft);
        let begin = composer.draft().to_owned();
        composer.edit(Edit::Left);
        for edit in edits {
            composer.edit(edit);
        }
        let end = composer.draft().to_owned();
        let mut steps = 0;
        while composer.draft() != begin {
            composer.edit(Edit::Undo);
            prop_assert!(on_a_boundary(&composer));
            steps += 1;
            prop_assert!(steps <= 100, "{:?} is never reached again", begin);
        }
        for _ in 0..100 {
            composer.edit(Edit::Redo);
        }
        prop_assert_eq!(composer.draft(), end);
    }

    #[test]
    fn a_row_up_and_down_again_is_the_same_place(
        text in "[a-z日\n]{0,60}", columns in 2..30_usize, back in 0..60_usize,
    ) {
        let mut composer = with(&text);
        for _ in 0..back {
            composer.edit(Edit::Left);
        }
        composer.lay(columns);
        let caret = composer.laid().caret;
        if caret.0 > 0 {
            composer.up();
            composer.lay(columns);
            prop_assert_eq!(composer.laid().caret.0, caret.0 - 1);
            composer.down();
            composer.lay(columns);
            prop_assert_eq!(composer.laid().caret, caret);
        }
    }
}
