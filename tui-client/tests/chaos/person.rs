//! Somebody at a real client process in a pseudo-terminal, who types lines, and whose process is
//! stopped, killed and started again.

use std::{
    collections::HashSet,
    sync::{Arc, mpsc},
    thread::{self, JoinHandle},
    time::Duration,
};

use crate::{
    support::{Terminal, World, signal, wait_until},
    tail::Tail,
};

/// From one line to the next.
const PACE: Duration = Duration::from_millis(60);

/// So many lines wait for their confirmation at most, as far as their author's log tells: far from
/// what a client takes.
const UNDER_WAY: usize = 20;

/// What is done to somebody.
pub(crate) enum Order {
    /// SIGSTOP, and SIGCONT so much later.
    Stop(Duration),
    /// SIGKILL; then a new process, under the same name or another one.
    Kill { renamed: bool },
    /// Types no more, waits until every line has its end, and leaves.
    Finish,
}

/// What a process was, for the oracle.
pub(crate) struct Sitting {
    /// The name that it was started with.
    pub(crate) name: String,
    /// Its run, where its log tells of one.
    pub(crate) run: Option<String>,
    /// The lines that were typed, in order.
    pub(crate) typed: Vec<String>,
    /// It was killed, and did not leave.
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

    /// All its processes, when the last has left.
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
    /// It was let in.
    entered: bool,
    /// What it typed and has not been shown yet.
    under_way: HashSet<String>,
    /// Its lines begin with this, and no others.
    prefix: String,
}

impl Process {
    fn start(world: &World, name: &str, server: &str, prefix: String) -> Self {
        // What is there is of those before it.
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

    /// Types a line, where it can.
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

    /// Keys are for the name before that.
    fn shows_chat(&self) -> bool {
        !self.terminal.screen().contains("Your name")
    }

    /// The name is another's until the grace is over: of the process before, which was killed.
    fn ask_again(&mut self) {
        if self.terminal.screen().contains("taken") {
            self.terminal.send("\r");
        }
    }

    /// Reads what the process wrote down.
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
