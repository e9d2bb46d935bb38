//! A person with a real client process in a pseudo-terminal, who types lines, and whose process is
//! stopped, killed and restarted.

use std::{
    collections::HashSet,
    sync::{Arc, mpsc},
    thread::{self, JoinHandle},
    time::Duration,
};

use chitty_testing::terminal::{Terminal, World, signal, wait_until};

use crate::tail::Tail;

/// The time from one line to the next.
const PACE: Duration = Duration::from_millis(60);

/// How many lines may wait for their confirmation, as far as the client's log shows: far below the
/// client's own limit.
const UNDER_WAY: usize = 20;

/// An order to a person.
pub(crate) enum Order {
    /// Send SIGSTOP, and SIGCONT after this time.
    Stop(Duration),
    /// Send SIGKILL, and start a new process, under the same name or another one.
    Kill { renamed: bool },
    /// Stop typing, wait for the outcome of every line, and leave.
    Finish,
}

/// A process and its input, for the oracle.
pub(crate) struct Sitting {
    /// The name with which it was started.
    pub(crate) name: String,
    /// Its run in the logs, if there is one.
    pub(crate) run: Option<String>,
    /// The lines that were typed, in order.
    pub(crate) typed: Vec<String>,
    /// Whether it was killed, so that it did not leave.
    pub(crate) killed: bool,
}

pub(crate) struct Person {
    orders: mpsc::Sender<Order>,
    thread: JoinHandle<Vec<Sitting>>,
}

impl Person {
    pub(crate) fn start(world: &Arc<World>, label: &str, server: String) -> Self {
        let (orders, given) = mpsc::channel();
        let (world, label) = (Arc::clone(world), label.to_owned());
        let thread = thread::spawn(move || live(&world, &label, &server, &given));
        Self { orders, thread }
    }

    pub(crate) fn order(&self, order: Order) {
        self.orders.send(order).expect("it lives");
    }

    /// All its processes, after the last one has left.
    pub(crate) fn sittings(self) -> Vec<Sitting> {
        self.thread.join().expect("it lived")
    }
}

fn live(world: &World, label: &str, server: &str, orders: &mpsc::Receiver<Order>) -> Vec<Sitting> {
    let mut past = Vec::new();
    let mut name = label.to_owned();
    let start = |name: &str, number: usize| {
        let prefix = format!("{label} process {number}");
        Process::start(world, name, server, prefix)
    };
    let mut process = start(&name, 0);
    loop {
        match orders.recv_timeout(PACE) {
            Err(mpsc::RecvTimeoutError::Timeout) => process.go_on(),
            Ok(Order::Stop(time)) => process.stop(time),
            Ok(Order::Kill { renamed }) => {
                past.push(process.kill());
                if renamed {
                    name = format!("{label}-{}", past.len());
                }
                process = start(&name, past.len());
            }
            Ok(Order::Finish) | Err(mpsc::RecvTimeoutError::Disconnected) => {
                past.push(process.finish());
                return past;
            }
        }
    }
}

struct Process {
    terminal: Terminal,
    log: Tail,
    sitting: Sitting,
    /// Whether it has joined.
    entered: bool,
    /// Its lines that it has not been shown yet.
    under_way: HashSet<String>,
    /// The prefix of its lines, and of no others.
    prefix: String,
}

impl Process {
    fn start(world: &World, name: &str, server: &str, prefix: String) -> Self {
        // Skips the log lines of earlier processes.
        let log = Tail::from_end(world.logs().join(format!("{name}.log")));
        Self {
            terminal: world.client(&format!("http://{server}"), &["--name", name]),
            log,
            sitting: Sitting {
                name: name.to_owned(),
                run: None,
                typed: Vec::new(),
                killed: false,
            },
            entered: false,
            under_way: HashSet::new(),
            prefix,
        }
    }

    /// Types a line if it may.
    fn go_on(&mut self) {
        self.read();
        if !self.entered {
            self.ask_again();
        } else if self.shows_chat() && self.under_way.len() < UNDER_WAY {
            let line = format!("{} line {}", self.prefix, self.sitting.typed.len());
            self.terminal.say(&line);
            self.under_way.insert(line.clone());
            self.sitting.typed.push(line);
        }
    }

    /// Before that, keys would go to the name field.
    fn shows_chat(&self) -> bool {
        !self.terminal.screen().contains("Your name")
    }

    /// Tries again to join: the name belongs to the killed process until its grace is over.
    fn ask_again(&mut self) {
        if self.terminal.screen().contains("taken") {
            self.terminal.send("\r");
        }
    }

    /// Reads the new log lines of the process.
    fn read(&mut self) {
        for line in self.log.lines() {
            self.sitting.run.get_or_insert_with(|| line.run.clone());
            match (line.call.as_str(), line.step.as_str()) {
                ("Join", "replied") => self.entered = true,
                ("Broadcast", "received") => {
                    self.under_way.remove(line.get("text").unwrap_or_default());
                }
                _ => {}
            }
        }
    }

    fn stop(&self, time: Duration) {
        #[expect(clippy::disallowed_methods, reason = "real processes take real time")]
        let sleep = thread::sleep;
        signal(self.terminal.process(), "STOP");
        sleep(time);
        signal(self.terminal.process(), "CONT");
    }

    fn kill(mut self) -> Sitting {
        self.terminal.kill();
        self.read();
        self.sitting.killed = true;
        self.sitting
    }

    fn finish(mut self) -> Sitting {
        let name = self.sitting.name.clone();
        wait_until(&format!("{name} is shown all that it typed"), || {
            self.read();
            if !self.entered {
                self.ask_again();
            }
            if self.entered && self.under_way.is_empty() {
                Ok(())
            } else {
                Err(format!("{:?}\n{}", self.under_way, self.terminal.screen()))
            }
        });
        self.terminal.send("\u{1b}");
        assert_eq!(self.terminal.wait(), 0, "{}", self.terminal.screen());
        self.sitting
    }
}
