//! Measures the time from a key to the whole frame that shows it, while nothing else happens: the
//! real program in a real pseudo-terminal, with a thousand keys.
//!
//! ```sh
//! cargo build --profile dist --package chitty
//! cargo run --profile dist --package chitty --example latency
//! ```

use std::{
    io::{self, Write as _},
    time::Duration,
};

use chitty_testing::terminal::World;

/// How many keys.
const KEYS: usize = 1000;
/// Between two keys: as fast as nobody types.
const PAUSE: Duration = Duration::from_millis(5);
/// What ends a frame.
const FRAME_END: &str = "\u{1b}[?2026l";

#[expect(clippy::disallowed_methods, reason = "real time is what is measured")]
fn main() -> io::Result<()> {
    let world = World::with_size(40, 120);
    let server = world.server(&[]);
    let mut terminal = world.client(&server.url, &["--name", "ada"]);
    terminal.wait_for("Participant ada joined");
    terminal.send("A line of some length, as people write them");
    terminal.wait_for("people write them");

    let mut times = Vec::with_capacity(KEYS);
    for number in 0..KEYS {
        std::thread::sleep(PAUSE);
        let written = terminal.raw().len();
        // A letter, and away with it.
        let key = if number % 2 == 0 { "x" } else { "\u{7f}" };
        let start = std::time::Instant::now();
        terminal.send(key);
        terminal.wait_written(written, FRAME_END);
        times.push(start.elapsed());
    }
    times.sort_unstable();
    let at = |percent: usize| times[(times.len() - 1) * percent / 100];
    writeln!(
        io::stdout(),
        "key to changed screen, idle, {KEYS} keys: p50 {:?}, p99 {:?}, most {:?}",
        at(50),
        at(99),
        at(100)
    )
}
