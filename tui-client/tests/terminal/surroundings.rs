//! Terminals without a size, with impossible sizes, of types without a screen, and in other
//! locales.

use chitty_testing::terminal::{Terminal, World, wait_until};

use std::num::NonZeroU16;

use crate::modes::assert_restored;

/// The row of the screen that has this text, from 0 on.
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
    // A size that is reported later is believed, and remembered when it is no longer reported.
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
            // That is no size: the screen is drawn as if none were reported, where it can be seen.
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

/// vt100 places each character by itself, as some terminals do.
#[test]
fn no_letter_of_any_script_stays_in_the_rows_of_others() {
    let world = World::with_size(14, 70);
    let server = world.server(&["--publish-rate", "off"]);
    let mut terminal = world.client(&server.url, &["--name", "ada"]);
    terminal.wait_for("connected");
    let texts = [
        "नमस्ते दुनिया, क्या हाल है",
        "สวัสดีชาวโลก น้ำ กำลัง",
        "வணக்கம் நண்பர்களே",
        "ខ្មែរ សួស្តី",
        "👩‍👩‍👧 🏳️‍🌈 👨‍👩‍👧‍👦",
        "🇩🇰 🇩🇪 ❤️ ☀️ 1️⃣",
        "e\u{301}a\u{308}n\u{303} 日本語 한글",
    ];
    for (index, text) in texts.iter().enumerate() {
        terminal.say(text);
        terminal.say(&format!("line {index}"));
        terminal.wait_for(&format!("line {index}"));
    }
    // Spaces that were written look like cells that were not.
    let shown = |terminal: &Terminal| -> Vec<String> {
        let screen = terminal.screen();
        screen
            .lines()
            .map(|line| line.trim_end().to_owned())
            .collect()
    };
    let compare = |terminal: &mut Terminal, what: &str| {
        let seen = shown(terminal);
        let written = terminal.raw().len();
        terminal.send("\u{c}");
        terminal.wait_written(written, "\u{1b}[2J");
        terminal.wait_written(written, "\u{1b}[?2026l");
        wait_until(&format!("{what}: as it is drawn anew"), || {
            let anew = shown(terminal);
            (anew == seen)
                .then_some(())
                .ok_or_else(|| format!("{anew:#?}\nbefore: {seen:#?}"))
        });
    };
    // The last of them has arrived, and the clock has moved on: nothing more will come.
    wait_until("the last line is received", || {
        let screen = terminal.screen();
        let last = screen.lines().find(|line| line.contains("line 6"));
        let time = last.and_then(|line| line.split_once(" L")?.1.split(' ').next());
        let time: Option<u64> = time.and_then(|time| time.parse().ok());
        let clock = time.map(|time| format!("Lamport {}", time + 1));
        let is_there = clock.is_some_and(|clock| screen.contains(&clock));
        is_there.then_some(()).ok_or(screen)
    });
    compare(&mut terminal, "scrolled by new lines");
    terminal.send("\u{1b}[5~");
    terminal.wait_for("End returns");
    compare(&mut terminal, "scrolled up");
    terminal.send("\u{1b}OQ");
    terminal.wait_for("F2 closes");
    compare(&mut terminal, "another pane");
    terminal.send("\u{1b}OQ");
    terminal.wait_without("F2 closes");
    terminal.say("/clear");
    terminal.wait_without("line 0");
    compare(&mut terminal, "nothing");
}

/// As on the Linux console, and in GNU screen with its defaults.
#[test]
fn without_an_alternate_screen_nothing_shows_through() {
    let world = World::new();
    let server = world.server(&[]);
    let shell = "printf 'shell %.0s' $(seq 400); exec \"$@\"";
    let mut ada = world.client_of_shell(&server.url, "ada", shell);
    ada.wait_for("Participant ada joined");
    let shown = |terminal: &Terminal| {
        let raw = String::from_utf8_lossy(&terminal.raw()).into_owned();
        let raw = raw
            .replace("\u{1b}[?1049h", "")
            .replace("\u{1b}[?1049l", "");
        let mut screen = vt100::Parser::new(
            NonZeroU16::new(24).expect("rows"),
            NonZeroU16::new(120).expect("columns"),
            0,
        );
        screen.process(raw.as_bytes());
        screen.screen().contents()
    };
    let chat = shown(&ada);
    assert!(chat.contains("Participant ada joined"), "{chat}");
    assert!(!chat.contains("shell"), "{chat}");
    ada.say("/quit");
    assert_eq!(ada.wait(), 0);
    let end = shown(&ada);
    assert!(end.starts_with("The log of this chat"), "{end}");
    assert!(!end.contains("joined"), "{end}");
}
