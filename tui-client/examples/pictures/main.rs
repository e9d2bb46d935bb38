//! Takes the pictures in `docs/pictures`, of the real program in a real pseudo-terminal:
//!
//! ```sh
//! cargo build --package chitty && cargo run --package chitty --example pictures
//! ```

mod svg;

use std::{fs, io, path::Path};

use chitty_testing::terminal::{Terminal, World, signal};
use svg::{DARK, LIGHT};

fn main() -> io::Result<()> {
    chat()?;
    diagram()?;
    join()
}

/// Three participants, some lines, and one who leaves.
fn chat() -> io::Result<()> {
    let world = World::with_size(24, 92);
    let server = world.server(&[]);
    let mut ada = world.client(&server.url, &["--name", "ada"]);
    ada.wait_for("Participant ada joined");
    let mut grace = world.client(&server.url, &["--name", "grace"]);
    grace.wait_for("Participant grace joined");
    let mut barbara = world.client(&server.url, &["--name", "barbara"]);
    barbara.wait_for("Participant barbara joined");
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
    ada.wait_for(", Monday!");
    ada.send("Shipping it at no");
    ada.wait_for("Shipping it at no");
    save("chat-dark", &ada, &DARK)?;
    save("chat-light", &ada, &LIGHT)?;
    ada.send("\u{15}");
    ada.send("\u{1b}OP");
    ada.wait_for("Esc");
    save("help", &ada, &DARK)
}

/// The same chat in logical time.
fn diagram() -> io::Result<()> {
    let world = World::with_size(20, 92);
    let server = world.server(&[]);
    let mut ada = world.client(&server.url, &["--name", "ada"]);
    ada.wait_for("Participant ada joined");
    let mut grace = world.client(&server.url, &["--name", "grace"]);
    grace.wait_for("Participant grace joined");
    let mut barbara = world.client(&server.url, &["--name", "barbara"]);
    barbara.wait_for("Participant barbara joined");
    grace.say("Shall we meet at nine?");
    ada.wait_for("at nine");
    barbara.wait_for("at nine");
    // Sent while the server is stopped, so that they cross.
    signal(server.process(), "STOP");
    ada.say("Nine is fine");
    barbara.say("Rather at ten, I think");
    ada.wait_for("… ");
    barbara.wait_for("… ");
    signal(server.process(), "CONT");
    ada.wait_for("Rather at ten");
    ada.wait_for("Nine is fine");
    grace.wait_for("Nine is fine");
    grace.say("Ten it is, then");
    ada.wait_for("Ten it is");
    save("crossed", &ada, &DARK)?;
    ada.send("\u{1b}OQ");
    ada.wait_for("F2 closes");
    save("diagram", &ada, &DARK)
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
