//! Terminals of no size, of sizes that cannot be, of kinds without a screen, and in other locales.

use crate::{
    modes::assert_restored,
    support::{Terminal, World, wait_until},
};

/// Which row of the screen has this, from 0.
fn row(terminal: &Terminal, text: &str) -> usize {
    wait_until(text, || {
        let screen = terminal.screen();
        let row = screen.lines().position(|line| line.contains(text));
        row.ok_or(screen)
    })
}

#[test]
fn a_terminal_that_tells_no_size_is_as_large_as_the_environment_says() {
    let world = World::new();
    let server = world.server(&[]);
    let nothing = "stty rows 0 cols 0; LINES=12 COLUMNS=50; export LINES COLUMNS; exec \"$@\"";
    let mut terminal = world.client_of_shell(&server.url, "ada", nothing);
    terminal.wait_for("Participant ada joined");
    assert_eq!(row(&terminal, "ada ›"), 11);
    // Told later, it is believed, and remembered when it is not told any more.
    for (rows, columns, prompt) in [(16, 60, 15), (0, 0, 15), (20, 60, 19)] {
        terminal.tell_size(rows, columns);
        wait_until("the prompt is in the last row", || {
            let found = row(&terminal, "ada ›");
            (found == prompt)
                .then_some(())
                .ok_or_else(|| terminal.screen())
        });
    }
    terminal.send("\u{1b}");
    assert_eq!(terminal.wait(), 0);
    assert_restored(&terminal, "no size");
}

#[test]
fn sizes_that_cannot_be_end_nothing() {
    let world = World::new();
    let server = world.server(&[]);
    for (index, (rows, columns)) in [(65_535, 65_535), (1, 1), (3, 10_000), (2, 65_535)]
        .into_iter()
        .enumerate()
    {
        let name = format!("ada{index}");
        let size = format!("stty rows {rows} cols {columns}; exec \"$@\"");
        let mut terminal = world.client_of_shell(&server.url, &name, &size);
        terminal.wait_written(0, "\u{1b}[?2026l");
        if rows == columns && rows > 2 {
            // That is no size: it is drawn as if none were told, where it can be seen.
            assert_eq!(row(&terminal, "ada0 ›"), 23);
        }
        for (rows, columns) in [(65_535, 65_535), (0, 0), (2, 2), (24, 120)] {
            terminal.tell_size(rows, columns);
        }
        terminal.wait_for(&format!("{name} ›"));
        terminal.send("\u{1b}");
        assert_eq!(terminal.wait(), 0, "{rows}x{columns}");
        assert_restored(&terminal, &name);
    }
}

#[test]
fn a_terminal_without_a_screen_is_told_of_plain() {
    let world = World::new();
    let server = world.server(&[]);
    for (script, kind) in [
        ("TERM=dumb exec \"$@\"", "\"dumb\""),
        ("unset TERM; exec \"$@\"", "not set"),
        ("TERM= exec \"$@\"", "not set"),
    ] {
        let mut terminal = world.client_of_shell(&server.url, "ada", script);
        assert_eq!(terminal.wait(), 2, "{}", terminal.screen());
        let raw = String::from_utf8_lossy(&terminal.raw()).into_owned();
        assert!(raw.contains("--plain") && raw.contains(kind), "{raw}");
        assert!(!raw.contains('\u{1b}'), "{raw:?}");
        let (before, now) = terminal.line_settings();
        assert_eq!(now, before);
    }
    assert!(world.log("server").iter().all(|line| line.call != "Join"));
}

#[test]
fn the_look_is_ascii_where_the_locale_or_the_user_says_so() {
    let world = World::new();
    let server = world.server(&[]);
    let run = |name: &str, variables: &str| {
        let script = format!("{variables} exec \"$@\"");
        let terminal = world.client_of_shell(&server.url, name, &script);
        terminal.wait_for(&format!("Participant {name} joined"));
        terminal.wait_for("connected");
        terminal
    };
    let is_ascii = |terminal: &Terminal| terminal.screen().is_ascii();
    let in_c = run("in-c", "LANG=C");
    assert!(is_ascii(&in_c), "{}", in_c.screen());
    in_c.wait_for("--ascii=false");
    let wanted = run("wanted", "CHITTY_ASCII=yes");
    assert!(is_ascii(&wanted), "{}", wanted.screen());
    assert!(!wanted.screen().contains("--ascii"));
    let refused = run("refused", "LC_ALL=POSIX CHITTY_ASCII=0");
    assert!(!is_ascii(&refused));
    let wide = run("wide", "LC_ALL=ja_JP.UTF-8");
    assert!(!is_ascii(&wide));
    wide.wait_for("--ascii");
}
