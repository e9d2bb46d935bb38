//! Takes the pictures in `docs/pictures`, of the real program in a real pseudo-terminal:
//!
//! ```sh
//! cargo build --package chitty && cargo run --package chitty --example pictures
//! ```

#[path = "../../tests/terminal/support.rs"]
mod support;
mod svg;

use std::{fs, io, path::Path};

use support::{Terminal, World};
use svg::{DARK, LIGHT};

fn main() -> io::Result<()> {
    chat()?;
    join()
}

/// Three people, some lines, one who leaves.
fn chat() -> io::Result<()> {
    let world = World::with_size(24, 92);
    let server = world.server(&[]);
    let mut ada = world.client(&server.url, &["--name", "ada"]);
    ada.wait_for("Participant ada joined");
    let mut grace = world.client(&server.url, &["--name", "grace"]);
    let mut barbara = world.client(&server.url, &["--name", "barbara"]);
    ada.wait_for("Participant barbara joined");
    let say = |who: &mut Terminal, line: &str| {
        who.say(line);
        let words: Vec<_> = line.trim_start_matches("/me ").split(' ').collect();
        ada.wait_for(&words[..words.len().min(4)].join(" "));
    };
    say(&mut grace, "Morning! The new build is on staging.");
    say(&mut barbara, "Happened before my coffee, then 🙂");
    say(&mut grace, "/me hands barbara a coffee");
    say(
        &mut barbara,
        "Does staging keep its history now? Last time a restart lost an hour of it.",
    );
    ada.say("It does: nothing is shown before it is on disk.");
    ada.wait_for("on disk");
    barbara.say("/quit");
    ada.wait_for("Participant barbara left");
    grace.say("Then let us ship it. 你好, Monday!");
    ada.wait_for("Monday");
    ada.send("Shipping it at no");
    ada.wait_for("Shipping it at no");
    save("chat-dark", &ada, &DARK)?;
    save("chat-light", &ada, &LIGHT)?;
    ada.send("\u{15}");
    ada.send("\u{1b}OP");
    ada.wait_for("Esc");
    save("help", &ada, &DARK)
}

/// A name that is taken.
fn join() -> io::Result<()> {
    let world = World::with_size(16, 72);
    let server = world.server(&[]);
    let ada = world.client(&server.url, &["--name", "ada"]);
    ada.wait_for("Participant ada joined");
    let second = world.client(&server.url, &["--name", "Ada"]);
    second.wait_for("is too like ada");
    save("join", &second, &DARK)
}

fn save(name: &str, terminal: &Terminal, theme: &svg::Theme) -> io::Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/pictures");
    fs::write(
        folder.join(format!("{name}.svg")),
        svg::draw(&terminal.cells(), theme),
    )
}
