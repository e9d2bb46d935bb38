//! The draft as keys change it.

use super::*;

pub(super) fn with(draft: &str) -> Composer {
    let mut composer = Composer::default();
    composer.paste(draft);
    composer.lay(80);
    composer
}

/// The draft after these edits, with `|` for the caret.
fn edits(composer: &mut Composer, edits: &[Edit]) -> String {
    for &edit in edits {
        composer.edit(edit);
    }
    let (before, after) = composer.editor.draft().halves();
    format!("{before}|{after}")
}

/// A composer that has sent these lines, and is empty.
fn sent(lines: &[&str]) -> Composer {
    let mut composer = Composer::default();
    for line in lines {
        composer.paste(line);
        composer.take();
    }
    composer.lay(80);
    composer
}

#[test]
fn characters_are_counted_as_scalar_values() {
    assert_eq!(with("").left(), 128);
    assert_eq!(with(&"Æ".repeat(65)).left(), 63);
    assert_eq!(with("e\u{301}").left(), 126);
    assert_eq!(with(&"x".repeat(130)).left(), -2);
    assert_eq!(with("//x").left(), 126);
}

#[test]
fn what_is_too_long_is_kept_and_marked_by_a_sign() {
    let mut composer = with(&"x".repeat(130));
    composer.lay(200);
    let pieces: Vec<_> = composer.laid().rows[0]
        .iter()
        .map(|piece| (piece.text.as_str(), piece.kind))
        .collect();
    let within = "x".repeat(128);
    assert_eq!(
        pieces,
        [
            (within.as_str(), SpanKind::Text),
            ("✗", SpanKind::Limit),
            ("xx", SpanKind::Over)
        ]
    );
    assert_eq!(composer.laid().caret, (0, 131));
    let has_no_mark = |draft: &str| {
        let composer = with(draft);
        let mut pieces = composer.laid().rows.iter().flatten();
        pieces.all(|piece| piece.kind == SpanKind::Text)
    };
    assert!(has_no_mark(&"x".repeat(128)));
    // The slash that is not sent does not count.
    assert!(has_no_mark(&format!("//{}", "x".repeat(127))));
}

#[test]
fn a_paste_is_normal_capped_and_undone_at_once() {
    let mut composer = with("a\r\nb\rc\u{1b}[31m\u{7}\td\u{2028}e\n\n");
    assert_eq!(composer.draft(), "a\nb\nc[31m\td\ne");
    composer.edit(Edit::Undo);
    assert_eq!(composer.draft(), "");
    let mut composer = with("é");
    assert!(!composer.paste(&"日".repeat(2 * MAX_DRAFT)));
    assert_eq!(composer.draft().chars().count(), MAX_DRAFT);
    assert!(!composer.edit(Edit::Insert('日')));
    composer.edit(Edit::Undo);
    assert_eq!(composer.draft(), "é");
}

#[test]
fn a_paste_lands_at_the_caret() {
    let mut composer = with("ad");
    composer.edit(Edit::Left);
    composer.paste("bc");
    composer.edit(Edit::Insert('!'));
    assert_eq!(composer.draft(), "abc!d");
}

#[test]
fn moving_is_by_what_is_seen_by_words_and_by_lines() {
    let text = "e\u{301}👩‍👩‍👧 two\nthree four";
    let mut composer = with(text);
    let mut at = |moves: &[Edit]| edits(&mut composer, moves);
    assert_eq!(at(&[Edit::WordLeft]), "e\u{301}👩‍👩‍👧 two\nthree |four");
    assert_eq!(at(&[Edit::LineStart]), "e\u{301}👩‍👩‍👧 two\n|three four");
    assert_eq!(
        at(&[Edit::Start, Edit::Right]),
        "e\u{301}|👩‍👩‍👧 two\nthree four"
    );
    assert_eq!(at(&[Edit::Right]), "e\u{301}👩‍👩‍👧| two\nthree four");
    assert_eq!(at(&[Edit::WordRight]), "e\u{301}👩‍👩‍👧 two|\nthree four");
    assert_eq!(
        at(&[Edit::End, Edit::LineEnd]),
        "e\u{301}👩‍👩‍👧 two\nthree four|"
    );
}

#[test]
fn words_are_those_of_unicode() {
    let mut composer = with("she can't, นำ");
    let mut at = |moves: &[Edit]| edits(&mut composer, moves);
    assert_eq!(
        at(&[Edit::WordLeft]),
        "she can't, |นำ",
        "not within a cluster"
    );
    assert_eq!(at(&[Edit::CutWordLeft]), "she |นำ");
    assert_eq!(
        at(&[Edit::Start, Edit::WordRight, Edit::CutWordRight]),
        "she|"
    );
}

#[test]
fn what_is_looked_for_is_edited() {
    let mut composer = sent(&["deploy alpha", "hello"]);
    composer.search_history();
    composer.paste_query("hel oops");
    assert!(composer.edit_query(Edit::CutWordLeft));
    assert_eq!(composer.history_search().expect("it goes on").query, "hel ");
    composer.edit_query(Edit::DeleteLeft);
    composer.lay(80);
    assert_eq!(composer.laid().caret, (0, 3));
    let found = composer.history_search().expect("it goes on").found;
    assert_eq!(found.map(|(line, _)| line), Some("hello"));
    assert!(composer.edit_query(Edit::CutLineLeft));
    assert_eq!(composer.history_search().expect("it goes on").query, "");
    assert!(!composer.edit_query(Edit::Left), "it takes the line");
}

#[test]
fn cuts_are_put_back_and_those_in_a_row_are_one() {
    let mut composer = with("one two-three four");
    let mut at = |moves: &[Edit]| edits(&mut composer, moves);
    assert_eq!(at(&[Edit::CutSpacedLeft, Edit::CutSpacedLeft]), "one |");
    assert_eq!(at(&[Edit::Yank]), "one two-three four|");
    assert_eq!(at(&[Edit::CutWordLeft]), "one two-three |");
    assert_eq!(at(&[Edit::Left, Edit::CutWordLeft]), "one two-| ");
    assert_eq!(at(&[Edit::Yank]), "one two-three| ");
    assert_eq!(at(&[Edit::YankEarlier]), "one two-four| ");
    assert_eq!(at(&[Edit::YankEarlier]), "one two-two-three four| ");
    assert_eq!(
        at(&[Edit::YankEarlier]),
        "one two-three| ",
        "around the ring"
    );
    assert_eq!(at(&[Edit::Undo]), "one two-| ", "as one step");
    assert_eq!(at(&[Edit::YankEarlier]), "one two-| ", "only after a yank");
}

#[test]
fn lines_are_cut_one_by_one() {
    let mut composer = with("one\ntwo");
    let mut at = |moves: &[Edit]| edits(&mut composer, moves);
    assert_eq!(at(&[Edit::CutLineLeft]), "one\n|");
    assert_eq!(at(&[Edit::CutLineLeft]), "one|");
    assert_eq!(at(&[Edit::Yank, Edit::Start, Edit::CutLineRight]), "|\ntwo");
    assert_eq!(at(&[Edit::CutLineRight]), "|two");
}

#[test]
fn words_and_characters_are_swapped_and_changed() {
    let cases: &[(&str, &[Edit], &str)] = &[
        ("abc", &[Edit::Transpose], "acb|"),
        ("abc", &[Edit::Left, Edit::Transpose], "acb|"),
        ("abc", &[Edit::Start, Edit::Transpose], "|abc"),
        ("a", &[Edit::Transpose], "a|"),
        ("x\na", &[Edit::Transpose], "x\na|"),
        ("one, two", &[Edit::TransposeWords], "two, one|"),
        (
            "one two three",
            &[Edit::Start, Edit::WordRight, Edit::TransposeWords],
            "two one| three",
        ),
        ("one", &[Edit::TransposeWords], "one|"),
        ("straße x", &[Edit::Start, Edit::Uppercase], "STRASSE| x"),
        ("ÆRØ x", &[Edit::Start, Edit::Lowercase], "ærø| x"),
        (" éTÉ x", &[Edit::Start, Edit::Capitalize], " Été| x"),
    ];
    for (text, moves, wanted) in cases {
        assert_eq!(edits(&mut with(text), moves), *wanted, "{text:?} {moves:?}");
    }
}

#[test]
fn typing_is_undone_word_by_word_and_done_again() {
    let mut composer = Composer::default();
    for c in "one two".chars() {
        composer.edit(Edit::Insert(c));
    }
    let mut at = |moves: &[Edit]| edits(&mut composer, moves);
    assert_eq!(at(&[Edit::Undo]), "one |");
    assert_eq!(at(&[Edit::Undo]), "|");
    assert_eq!(at(&[Edit::Undo]), "|");
    assert_eq!(at(&[Edit::Redo, Edit::Redo, Edit::Redo]), "one two|");
    assert_eq!(
        at(&[Edit::DeleteLeft, Edit::DeleteLeft, Edit::Undo]),
        "one two|"
    );
    assert_eq!(at(&[Edit::Undo, Edit::Insert('!'), Edit::Redo]), "one !|");
}

#[test]
fn browsing_the_history_keeps_the_draft_and_what_was_changed() {
    let mut composer = sent(&["one", "two"]);
    composer.paste("draft");
    composer.earlier();
    assert_eq!(composer.draft(), "two");
    composer.edit(Edit::Insert('!'));
    composer.earlier();
    composer.earlier();
    assert_eq!(composer.draft(), "one");
    composer.later();
    assert_eq!(composer.draft(), "two!");
    composer.later();
    assert_eq!(composer.draft(), "draft");
    composer.later();
    assert_eq!(composer.draft(), "draft");
    composer.edit(Edit::Undo);
    assert_eq!(composer.draft(), "", "each line has changes of its own");
}

#[test]
fn the_draft_comes_back_when_an_earlier_line_is_sent() {
    let mut composer = sent(&["one"]);
    composer.paste("draft");
    composer.earlier();
    composer.take();
    assert_eq!(composer.draft(), "draft");
    composer.take();
    assert_eq!(composer.draft(), "");
}

#[test]
fn a_line_that_comes_back_leaves_what_is_shown_alone() {
    let mut composer = sent(&["one", "two"]);
    composer.paste("draft");
    composer.earlier();
    composer.earlier();
    composer.remember("one".into());
    composer.remember("three".into());
    assert_eq!(composer.draft(), "one");
    composer.later();
    assert_eq!(composer.draft(), "two");
    composer.later();
    composer.later();
    assert_eq!(composer.draft(), "three");
    composer.later();
    assert_eq!(composer.draft(), "draft");
}

#[test]
fn up_and_down_go_by_rows_before_they_go_by_lines() {
    const EARLIER: &str = "earlier";
    const DRAFT: &str = "a long line\nb\nthe last";

    /// Which line is in the composer, and the caret's row and column in it.
    fn shown(composer: &mut Composer) -> (&str, (usize, usize)) {
        composer.lay(20);
        (composer.draft(), composer.laid().caret)
    }

    let mut composer = sent(&[EARLIER]);
    composer.paste(DRAFT);
    // The caret is at the end of the last row, below which there is nothing.
    composer.down();
    assert_eq!(shown(&mut composer).0, DRAFT);
    // Up goes through the rows of the draft, and only then to the earlier line.
    composer.up();
    assert_eq!(shown(&mut composer), (DRAFT, (1, 1)));
    composer.up();
    let column_kept = "the column is kept across a shorter row";
    assert_eq!(shown(&mut composer), (DRAFT, (0, 8)), "{column_kept}");
    composer.up();
    assert_eq!(shown(&mut composer), (EARLIER, (0, 7)));
    composer.up();
    assert_eq!(shown(&mut composer), (EARLIER, (0, 7)), "the oldest line");
    // Down goes back to the draft, as it was left.
    composer.down();
    assert_eq!(shown(&mut composer), (DRAFT, (0, 8)), "with its caret");
    composer.down();
    assert_eq!(shown(&mut composer), (DRAFT, (0, 8)), "no later line");
}

#[test]
fn a_long_line_of_the_history_is_one_step() {
    let mut composer = sent(&["first", "a\nb\nc"]);
    for wanted in ["a\nb\nc", "first", "first"] {
        composer.up();
        composer.lay(20);
        assert_eq!(composer.draft(), wanted);
    }
    composer.down();
    composer.edit(Edit::Left);
    composer.lay(20);
    composer.up();
    assert_eq!(composer.draft(), "a\nb\nc", "after another key, by rows");
}

#[test]
fn a_search_shows_lines_and_leaves_the_draft_until_one_is_taken() {
    // Whether the search has come to its end.
    const GOES_ON: bool = false;
    const NO_MORE: bool = true;

    let mut composer = sent(&["deploy alpha", "hello", "deploy beta"]);
    composer.paste("draft");
    composer.search_history();
    let found = |composer: &Composer| {
        let history_search = composer.history_search().expect("it goes on");
        (
            history_search.found.map(|(line, _)| line.to_owned()),
            history_search.end,
        )
    };
    assert_eq!(found(&composer), (None, GOES_ON));
    for c in "DEP".chars() {
        composer.edit_query(Edit::Insert(c));
    }
    assert_eq!(found(&composer), (Some("deploy beta".into()), GOES_ON));
    composer.search_history();
    assert_eq!(found(&composer), (Some("deploy alpha".into()), GOES_ON));
    composer.search_history();
    assert_eq!(found(&composer), (Some("deploy alpha".into()), NO_MORE));
    composer.search_history_newer();
    assert_eq!(found(&composer), (Some("deploy beta".into()), GOES_ON));
    composer.edit_query(Edit::Insert('x'));
    assert_eq!(found(&composer), (None, GOES_ON));
    composer.edit_query(Edit::DeleteLeft);
    assert_eq!(composer.draft(), "draft");
    assert!(composer.cancel());
    assert_eq!(composer.draft(), "draft");

    composer.search_history();
    composer.paste_query("hel\nlo");
    composer.take_found();
    assert_eq!(composer.draft(), "hello");
    composer.up();
    assert_eq!(composer.draft(), "deploy alpha", "Up goes on from there");
    for _ in 0..3 {
        composer.later();
    }
    assert_eq!(composer.draft(), "draft");
}

#[test]
fn a_completion_is_undone_at_once() {
    let mut composer = with("hi b");
    let names = || ["bob", "bea"].into_iter();
    assert!(composer.complete(CompletionStep::Next, names()));
    assert_eq!(composer.draft(), "hi bea ");
    assert!(composer.complete(CompletionStep::Next, names()));
    assert_eq!(composer.draft(), "hi bob ");
    composer.edit(Edit::Undo);
    assert_eq!(composer.draft(), "hi b");
    composer.complete(CompletionStep::Previous, names());
    assert_eq!(composer.draft(), "hi bob ");
    assert!(composer.cancel());
    assert_eq!(composer.draft(), "hi b");
    composer.edit(Edit::Insert('x'));
    assert!(!composer.complete(CompletionStep::Next, names()));
    assert_eq!(composer.draft(), "hi bx");
}

#[test]
fn the_caret_is_where_the_next_character_comes() {
    let caret = |text: &str, columns| {
        let mut composer = with(text);
        composer.lay(columns);
        composer.laid().caret
    };
    assert_eq!(caret("日本", 10), (0, 4));
    assert_eq!(caret("e\u{301}x", 10), (0, 2));
    assert_eq!(caret("abcd", 4), (1, 0));
    assert_eq!(caret("a\nb", 10), (1, 1));
}
