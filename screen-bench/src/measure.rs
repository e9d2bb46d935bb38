//! The measurements.

use std::time::{Duration, Instant};

use color_eyre::eyre::{Result, WrapErr as _, eyre};

use crate::{
    author::{Author, Flood},
    chat::{BenchChat, MeasuredClient},
    edge,
    terminal::BenchTerminal,
};

/// The signs that end a flood; each is different and appears nowhere else on the screen.
const SIGNS: [char; 4] = ['Γ', 'Δ', 'Θ', 'Λ'];
/// Letters that nobody else writes, so that they can be found in the output.
const LETTERS: &str = "αβγδεζηθικλμνξοπρστυφχψω";
const BACKSPACE: &str = "\u{7f}";
/// Reports that another window has the keyboard (mode 1004).
const LOOK_AWAY: &str = "\u{1b}[O";
const PAGE_UP: &str = "\u{1b}[5~";
/// The end of a frame of this client: the terminal may show it (mode 2026).
const FRAME_END: &str = "\u{1b}[?2026l";
/// How long a key may take before it counts as lost.
const PATIENCE: Duration = Duration::from_secs(20);
/// Output that comes later than this has another cause.
const QUIET: Duration = Duration::from_millis(300);

/// Times from keys to the screens that show them, in ascending order.
#[derive(Clone, Debug)]
pub(crate) struct KeyLatencies(Vec<Duration>);

impl KeyLatencies {
    fn new(mut times: Vec<Duration>) -> Self {
        times.sort_unstable();
        Self(times)
    }

    /// The time that this percentage of keys does not exceed.
    pub(crate) fn at(&self, percent: usize) -> Duration {
        let rank = (self.0.len() * percent).div_ceil(100).max(1);
        self.0.get(rank - 1).copied().unwrap_or_default()
    }
}

/// One run of floods.
pub(crate) struct Flooded {
    /// The CPU time of one message.
    pub(crate) cpu: Duration,
    /// The bytes that were written to the terminal for one message.
    pub(crate) bytes: f64,
    /// The bytes that were written to the log for one message.
    pub(crate) logged: f64,
    /// The rate of received messages, per second.
    pub(crate) rate: f64,
    pub(crate) idle_keys: KeyLatencies,
    pub(crate) flood_keys: KeyLatencies,
    /// The CPU time and bytes of one message while another window has the keyboard, if the client
    /// is informed of that.
    pub(crate) away: Option<(Duration, f64)>,
}

/// A client in a chat, and the author there.
struct Setting {
    chat: BenchChat,
    terminal: BenchTerminal,
    author: Option<Author>,
    floods: usize,
}

impl Setting {
    fn new(client: MeasuredClient) -> Result<Self> {
        let chat = BenchChat::open(client)?;
        let author = chat.author().wrap_err("nobody can write")?;
        let terminal = chat.join()?;
        Ok(Self {
            chat,
            terminal,
            author: Some(author),
            floods: 0,
        })
    }

    /// Floods the chat and runs `meanwhile`. Returns how long it took until the last message was on
    /// the screen.
    fn flood(
        &mut self,
        flood: Flood,
        meanwhile: impl FnOnce(&mut BenchTerminal) -> Result<()>,
    ) -> Result<Duration> {
        let author = self.author.take().ok_or_else(|| eyre!("no author"))?;
        let sign = SIGNS[self.floods % SIGNS.len()];
        self.floods += 1;
        let begun = edge::now();
        let writing = author.write(flood, sign);
        meanwhile(&mut self.terminal)?;
        self.terminal.expect(&sign.to_string());
        let written = writing.join().map_err(|_| eyre!("the author panicked"))?;
        let (author, _) = written.wrap_err("cannot write")?;
        self.author = Some(author);
        let end = self.terminal.found(Duration::from_secs(600))?;
        self.terminal.quiet(QUIET);
        Ok(end - begun)
    }

    /// Measures the cost of one message of a flood.
    fn costs(&mut self, flood: Flood) -> Result<Costs> {
        let process = self.terminal.process()?;
        let (cpu, bytes) = (edge::cpu(process)?, self.terminal.bytes());
        let took = self.flood(flood, |_| Ok(()))?;
        let messages = as_float(flood.messages);
        Ok(Costs {
            cpu: edge::cpu(process)?.saturating_sub(cpu).div_f64(messages),
            bytes: as_float(self.terminal.bytes() - bytes) / messages,
            rate: messages / took.as_secs_f64(),
        })
    }
}

/// The cost of one message.
struct Costs {
    cpu: Duration,
    bytes: f64,
    /// The rate of received messages, per second.
    rate: f64,
}

/// Measures the cost of a message, and the time that keys take, idle and in a flood.
pub(crate) fn flood(client: MeasuredClient, flood: Flood, keys: u32) -> Result<Flooded> {
    let mut setting = Setting::new(client)?;
    // Afterwards buffers and caches have their final size, and the pane is full.
    let warm = Flood {
        messages: flood.messages / 10,
        ..flood
    };
    setting.flood(warm, |_| Ok(()))?;
    let idle_keys = type_keys(&mut setting.terminal, keys, Duration::from_millis(10))?;

    let logged = setting.chat.log_size()?;
    let costs = setting.costs(flood)?;
    let logged = setting.chat.log_size()? - logged;

    let mut flood_keys = None;
    setting.flood(flood, |terminal| {
        let time = flood
            .per_second
            .map_or(0, |rate| flood.messages * 1000 / rate);
        let pause = Duration::from_millis(25);
        let count = Duration::from_millis(time).as_millis() / pause.as_millis();
        let count = u32::try_from(count).unwrap_or(u32::MAX).saturating_sub(4);
        flood_keys = Some(type_keys(terminal, count, pause)?);
        Ok(())
    })?;
    let away = if client == MeasuredClient::Chitty {
        setting.terminal.send(LOOK_AWAY)?;
        let costs = setting.costs(flood)?;
        Some((costs.cpu, costs.bytes))
    } else {
        None
    };
    Ok(Flooded {
        cpu: costs.cpu,
        bytes: costs.bytes,
        logged: as_float(logged) / as_float(flood.messages),
        rate: costs.rate,
        idle_keys,
        flood_keys: flood_keys.ok_or_else(|| eyre!("no key was typed"))?,
        away,
    })
}

/// Types letters at this interval, and deletes each again.
fn type_keys(terminal: &mut BenchTerminal, count: u32, pause: Duration) -> Result<KeyLatencies> {
    let mut times = Vec::new();
    let begun = edge::now();
    for (number, letter) in (0..count).zip(LETTERS.chars().cycle()) {
        edge::sleep_until(begun + pause * number);
        let letter = letter.to_string();
        terminal.expect(&letter);
        let start = edge::now();
        terminal.send(&letter)?;
        times.push(terminal.found(PATIENCE)? - start);
        terminal.send(BACKSPACE)?;
    }
    Ok(KeyLatencies::new(times))
}

/// The activity of an idle client.
pub(crate) struct Idle {
    /// The bytes that were written to the terminal.
    pub(crate) bytes: u64,
    /// The CPU time as a part of one core.
    pub(crate) cpu: f64,
}

/// Measures all clients at once, because they do next to nothing.
pub(crate) fn idle(time: Duration) -> Result<Vec<Idle>> {
    let mut settings = Vec::new();
    for client in MeasuredClient::ALL {
        let mut setting = Setting::new(client)?;
        let some = Flood {
            messages: 100,
            per_second: None,
        };
        setting.flood(some, |_| Ok(()))?;
        settings.push(setting);
    }
    edge::sleep(Duration::from_secs(2));
    let look = |setting: &Setting| -> Result<(Instant, Duration, u64)> {
        let process = setting.terminal.process()?;
        Ok((edge::now(), edge::cpu(process)?, setting.terminal.bytes()))
    };
    let before = settings.iter().map(look).collect::<Result<Vec<_>>>()?;
    edge::sleep(time);
    let mut idle = Vec::new();
    for (setting, (at, cpu, bytes)) in settings.iter().zip(before) {
        let (later, more_cpu, more_bytes) = look(setting)?;
        idle.push(Idle {
            bytes: more_bytes - bytes,
            cpu: (more_cpu.saturating_sub(cpu)).as_secs_f64() / (later - at).as_secs_f64(),
        });
    }
    Ok(idle)
}

/// The time from the start of the program until there is text on the screen, while its server runs.
pub(crate) fn start(client: MeasuredClient, runs: usize) -> Result<Vec<Duration>> {
    let chat = BenchChat::open(client)?;
    let mut times = Vec::new();
    for _ in 0..runs {
        let terminal = chat.start()?;
        times.push(terminal.first_text()?);
        terminal.quiet(QUIET);
    }
    Ok(times)
}

/// The resident memory after the start, and after this many messages, in bytes.
pub(crate) fn memory(client: MeasuredClient, flood: Flood) -> Result<(u64, u64)> {
    let mut setting = Setting::new(client)?;
    let process = setting.terminal.process()?;
    let before = edge::memory(process)?;
    setting.flood(flood, |_| Ok(()))?;
    Ok((before, edge::memory(process)?))
}

/// The cost of scrolling.
pub(crate) struct Scrolled {
    /// The times from each key to the end of its frame.
    pub(crate) frames: KeyLatencies,
    /// Whether the first event of the chat was on the screen at the end.
    pub(crate) reached_top: bool,
}

/// Scrolls with `PageUp` from the bottom to the top of this many events, in this client.
pub(crate) fn scroll(events: u64) -> Result<Scrolled> {
    let chat = BenchChat::open(MeasuredClient::Chitty)?;
    let author = chat.author()?;
    let flood = Flood {
        messages: events,
        per_second: None,
    };
    let written = author.write(flood, SIGNS[0]).join();
    written.map_err(|_| eyre!("the author panicked"))??;
    let mut terminal = chat.start()?;
    terminal.wait_for("Participant ada joined")?;
    terminal.quiet(QUIET);
    let mut times = Vec::new();
    // As many pages as there are if each shows only half of its rows for the first time.
    for _ in 0..events / 18 {
        terminal.expect(FRAME_END);
        let start = edge::now();
        terminal.send(PAGE_UP)?;
        times.push(terminal.found(PATIENCE)? - start);
        if terminal.shows("Participant bob joined") {
            break;
        }
        // The rate at which a held key repeats.
        edge::sleep_until(start + Duration::from_millis(30));
    }
    Ok(Scrolled {
        frames: KeyLatencies::new(times),
        reached_top: terminal.shows("Participant bob joined"),
    })
}

#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
fn as_float(count: u64) -> f64 {
    count as f64
}
