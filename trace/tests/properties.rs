//! Logs in which any bytes were replaced are still read, checked, drawn and exported.

use std::{fs, path::Path};

use chitty_trace::{
    chat::TraceIndex,
    check::check,
    cli::write_report,
    draw::{Detail, Diagram, svg, text},
    export::{json, mermaid, shiviz},
    read::Trace,
};
use proptest::{
    collection::vec,
    prelude::*,
    sample::{Index, select},
    test_runner::{FileFailurePersistence, TestRunner},
};

/// The replacement for some bytes.
fn put() -> impl Strategy<Value = Vec<u8>> {
    let words = [
        "\n",
        " ",
        "\"",
        "0",
        "18446744073709551615",
        "position=",
        "lamport=",
        "server",
        "\\u{110000}",
    ];
    prop_oneof![
        vec(any::<u8>(), 0..8),
        select(words.to_vec()).prop_map(|word| word.as_bytes().to_vec()),
    ]
}

/// Which bytes of which file are replaced, and by what.
type Change = (Index, Index, usize, Vec<u8>);

fn changed(logs: &[(String, Vec<u8>)], changes: &[Change], folder: &Path) {
    let mut logs = logs.to_vec();
    for (file, at, count, put) in changes {
        let number = file.index(logs.len());
        let bytes = &mut logs[number].1;
        let at = at.index(bytes.len());
        let end = bytes.len().min(at + count);
        bytes.splice(at..end, put.iter().copied());
    }
    for (name, bytes) in logs {
        fs::write(folder.join(name), bytes).expect("written");
    }
}

#[test]
fn any_bytes_are_read_checked_and_drawn() {
    let real = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/real");
    let logs: Vec<(String, Vec<u8>)> = fs::read_dir(real)
        .expect("readable")
        .map(|entry| entry.expect("readable"))
        .map(|entry| {
            let name = entry.file_name().into_string().expect("a name");
            (name, fs::read(entry.path()).expect("readable"))
        })
        .collect();
    let folder = tempfile::tempdir().expect("a folder");
    let change = (any::<Index>(), any::<Index>(), 0..200_usize, put());
    let regressions = FileFailurePersistence::WithSource("regressions");
    let mut runner = TestRunner::new(ProptestConfig {
        source_file: Some(file!()),
        failure_persistence: Some(Box::new(regressions)),
        ..ProptestConfig::default()
    });
    let survived = runner.run(&vec(change, 1..12), |changes| {
        changed(&logs, &changes, folder.path());
        let trace = Trace::read(&[folder.path().to_owned()]).expect("readable");
        let index = TraceIndex::of(&trace);
        let out = &mut Vec::new();
        write_report(&index, &check(&index), out).expect("memory");
        for chat in 0..index.chats.len() {
            let diagram = Diagram::of(&index, chat, Detail::All);
            json::write(&index, &diagram, out).expect("memory");
            shiviz::write(&index, &diagram, out).expect("memory");
            let mut diagram = Diagram::of(&index, chat, Detail::Events);
            diagram.last(&index, 10);
            text::write(&diagram, out).expect("memory");
            svg::write(&index, &diagram, out).expect("memory");
            mermaid::write(&diagram, out).expect("memory");
        }
        let text = str::from_utf8(out).expect("text");
        let harm = text.find(|c: char| c.is_control() && c != '\n');
        prop_assert_eq!(harm.map(|at| &text[at..]), None);
        Ok(())
    });
    survived.unwrap_or_else(|error| panic!("{error}"));
}
