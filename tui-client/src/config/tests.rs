use super::*;

#[test]
fn the_example_is_a_file_that_changes_nothing() {
    assert_eq!(ConfigFile::parse(&example()), Ok(ConfigFile::default()));
}

/// The example with its settings uncommented, so that each of them counts.
#[test]
fn the_example_has_every_key() {
    let example = example();
    let keys: Vec<_> = example
        .lines()
        .filter_map(|line| match line.strip_prefix('#') {
            Some(key) => Some(key).filter(|key| key.contains(" = ")),
            None => Some(line),
        })
        .collect();
    let config = ConfigFile::parse(&keys.join("\n")).expect("every key is one");
    let ConfigFile {
        name: Some(_),
        server: Some(_),
        key: Some(_),
        local: Some(_),
        data: Some(_),
        idle_exit: Some(60),
        backlog: Some(200),
        log_dir: Some(_),
        screen:
            ScreenTable {
                mouse: Some(true),
                participants: Some(true),
                bell: Some(true),
                notifications: Some(true),
                title: Some(true),
                ascii: Some(true),
            },
        colours,
        keys,
    } = config
    else {
        panic!("a key is missing: {config:?}");
    };
    let ColourTable {
        names: Some(_),
        good: Some(_),
        waiting: Some(_),
        bad: Some(_),
        found: Some(_),
        mention: Some(_),
    } = colours
    else {
        panic!("a colour is missing: {colours:?}");
    };
    assert_eq!(colours.palette(Depth::Indexed), Palette::of(Depth::Indexed));
    assert_eq!(keys, Keymap::default());
    let options = ScreenTable::default().options(Keymap::default());
    assert_eq!(options, Options::default());
}

#[test]
fn a_mistake_is_said_with_its_line_and_key() {
    for (text, parts) in [
        ("name = \"ada\"\nnmae = \"bob\"", ["line 2", "nmae"]),
        ("backlog = \"many\"", ["line 1", "backlog"]),
        (
            "\n\nlocal = \"0.0.0.0:1\"",
            ["line 3", "only an address of this machine"],
        ),
        ("server = \"ftp://x\"", ["line 1", "server"]),
        ("name = ", ["line 1", "name"]),
        ("[screen]\nmouse = 1", ["line 2", "mouse"]),
        ("[colours]\nbad = \"blood\"", ["line 2", "no colour"]),
        (
            "log-dir = \"~bob/logs\"",
            ["line 1", "~bob is not looked up"],
        ),
        ("data = \"$HOME/chat\"", ["line 1", "$HOME is not replaced"]),
        ("[colours]\nnames = []", ["line 2", "at least one colour"]),
        ("[colours]\nnames = \"red\"", ["line 2", "names"]),
        (
            "[colours]\nnames = [\"red\", \"blue\", \"red\"]",
            ["line 2", "Red is there twice"],
        ),
        (
            "[colours]\nnames = [\"red\", \"blood\"]",
            ["line 2", "no colour"],
        ),
    ] {
        let problem = ConfigFile::parse(text).expect_err(text);
        assert_eq!(problem.lines().count(), 1, "{problem}");
        for part in parts {
            assert!(problem.contains(part), "{text:?}: {problem}");
        }
    }
}

#[test]
fn gnu_screen_keeps_the_mouse_unless_it_is_wanted() {
    let mouse = |text: &str, name: &str, value: &str| {
        let variable = |asked: &str| (asked == name).then(|| value.to_owned());
        let config = ConfigFile::parse(text).expect("understood");
        config.screen.within(variable).options(config.keys).mouse
    };
    assert!(!mouse("", "STY", "1234.pts-0.host"));
    assert!(mouse("", "STY", ""));
    assert!(mouse("", "TMUX", "/tmp/tmux-0/default"));
    assert!(mouse("[screen]\nmouse = true", "STY", "1234.pts-0.host"));
}

#[test]
fn what_is_said_counts_and_the_rest_is_as_ever() {
    let config =
        ConfigFile::parse("[screen]\nmouse = false\n[colours]\nbad = \"#ff8800\"\ngood = \"12\"")
            .expect("understood");
    let options = config.screen.options(config.keys);
    assert!(!options.mouse && options.bell);
    let palette = config.colours.palette(Depth::Direct);
    assert_eq!(palette.bad, Color::Rgb(255, 136, 0));
    assert_eq!(palette.good, Color::Indexed(12));
    assert_eq!(palette.found, Palette::TERMINAL.found);
}

#[test]
fn names_have_as_many_colours_as_there_are() {
    for count in [1, 3, 40] {
        let names: Vec<_> = (0..count).map(|n| format!("\"#1020{n:02x}\"")).collect();
        let text = format!("[colours]\nnames = [{}]", names.join(", "));
        let config = ConfigFile::parse(&text).expect("understood");
        let palette = config.colours.clone().palette(Depth::Direct);
        assert_eq!(palette.names.len(), count);
        assert_eq!(palette.names[0], Color::Rgb(16, 32, 0));
        let fewer = config.colours.palette(Depth::Indexed);
        let indexed = |colour: &Color| matches!(colour, Color::Indexed(16..));
        assert!(fewer.names.iter().all(indexed), "{fewer:?}");
    }
}

#[test]
fn only_a_file_that_was_asked_for_must_be_there() {
    let folder = tempfile::tempdir().expect("a folder");
    let missing = folder.path().join("none.toml");
    let error = ConfigFile::load(Some(&missing)).expect_err("it is not there");
    assert!(error.to_string().contains("none.toml"), "{error}");
    let large = folder.path().join("large.toml");
    std::fs::write(&large, " ".repeat(70_000)).expect("written");
    let error = ConfigFile::load(Some(&large)).expect_err("it is too large");
    assert!(error.to_string().contains("larger"), "{error}");
    let wrong = folder.path().join("wrong.toml");
    std::fs::write(&wrong, "x = 1").expect("written");
    let error = ConfigFile::load(Some(&wrong)).expect_err("there is no such key");
    assert!(error.to_string().contains("config --example"), "{error}");
}
