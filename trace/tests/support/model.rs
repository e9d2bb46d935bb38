//! The model: a server, its clients, and the messages between them.

mod requests;

use std::collections::VecDeque;

use chitty_chat::event::joined_sentence;

use super::Logs;

/// Runs a chat for a number of steps. The same seed always gives the same logs.
pub(crate) fn run(seed: u64, steps: usize) -> Logs {
    let mut model = Model::new(seed);
    for _ in 0..steps {
        model.step();
    }
    model.finish();
    model.logs
}

/// The names of the clients: encoded as in the log, and decoded.
const NAMES: [(&str, &str); 9] = [
    ("ada", "ada"),
    ("bob", "bob"),
    ("eve", "eve"),
    ("dan", "dan"),
    ("Zo%C3%AB", "Zo\u{eb}"),
    ("fay", "fay"),
    ("gil", "gil"),
    ("hal", "hal"),
    ("ian", "ian"),
];

struct Event {
    lamport: u64,
    participant: u64,
    /// The fields of its log lines, from `kind=` on, without the clock.
    body: String,
    left: bool,
}

struct Request {
    client: usize,
    lamport: u64,
    what: What,
}

#[derive(Clone)]
enum What {
    Publish { id: String, seen: u64, text: String },
    Leave,
}

#[derive(Default)]
struct Client {
    /// The name, encoded as in the log.
    word: &'static str,
    name: &'static str,
    run: String,
    session: String,
    clock: u64,
    /// The number of its participation, if it has one now.
    number: Option<u64>,
    old_number: u64,
    since: u64,
    /// The last position that it received.
    shown: u64,
    attached: bool,
    /// The request without an outcome, with its time.
    outstanding: Option<(u64, What)>,
    dead: bool,
    left: bool,
}

struct Model {
    random: u64,
    wall: u64,
    logs: Logs,
    clock: u64,
    server_run: u64,
    events: Vec<Event>,
    clients: Vec<Client>,
    requests: VecDeque<Request>,
}

impl Model {
    fn new(seed: u64) -> Self {
        let mut model = Self {
            random: seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1,
            wall: 0,
            logs: Logs::new(),
            clock: 0,
            server_run: 0,
            events: Vec::new(),
            clients: Vec::new(),
            requests: VecDeque::new(),
        };
        model.start_server();
        model
    }

    fn below(&mut self, limit: usize) -> usize {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        usize::try_from(self.random >> 33).unwrap_or(0) % limit.max(1)
    }

    fn line(&mut self, file: &str, run: &str, body: &str) {
        self.wall += 37;
        let (seconds, micros) = (self.wall / 1_000_000, self.wall % 1_000_000);
        let (minutes, seconds) = (seconds / 60, seconds % 60);
        let line =
            format!("2026-11-23T01:{minutes:02}:{seconds:02}.{micros:06}Z {file} run={run} {body}");
        self.logs
            .entry(format!("{file}.log"))
            .or_default()
            .push(line);
    }

    fn server(&mut self, body: &str) {
        let run = format!("{:08x}", 0xa000_0000 + self.server_run);
        self.line("server", &run, body);
    }

    fn client(&mut self, client: usize, body: &str) {
        let (name, run) = (self.clients[client].word, self.clients[client].run.clone());
        self.line(name, &run, body);
    }

    fn head(&self) -> u64 {
        self.events.len() as u64
    }

    fn start_server(&mut self) {
        self.server_run += 1;
        let position = self.head();
        self.server(&format!(
            "Server started address=127.0.0.1:50051 epoch=d908f13f position={position} first=1"
        ));
    }

    fn restart_server(&mut self) {
        self.server("Server stopped reason=signal");
        self.requests.clear();
        for client in &mut self.clients {
            client.attached = false;
        }
        self.start_server();
    }

    fn step(&mut self) {
        let client = self.below(self.clients.len());
        match self.below(100) {
            0..6 if self.clients.len() < 9 => self.join(),
            50..66 => self.publish(client),
            66..90 => self.serve(),
            90..93 => self.lose(client),
            93..96 => self.resume(client),
            96 => self.expire(client),
            97 => self.ask(client, &What::Leave),
            98 if self.below(3) == 0 => self.restart_server(),
            99 if self.clients.len() > 4 => self.kill(client),
            _ => self.deliver(client),
        }
    }

    fn finish(&mut self) {
        while !self.requests.is_empty() {
            self.serve();
        }
        for client in 0..self.clients.len() {
            while self.take(client) {}
        }
    }

    fn join(&mut self) {
        let number = self.clients.len();
        self.clients.push(Client {
            word: NAMES[number].0,
            name: NAMES[number].1,
            run: format!("{:08x}", 0xc0 + number),
            session: format!("{:08x}", 0xe0 + number),
            ..Client::default()
        });
        let backlog = self.below(4) as u64;
        self.client(number, "Link connecting server=http://127.0.0.1:50051");
        self.enter(number, None, backlog);
    }

    /// Starts a new participation.
    fn enter(&mut self, client: usize, resume: Option<u64>, backlog: u64) {
        let name = self.clients[client].name;
        let t = self.send(client);
        let asked = resume.map_or(String::new(), |resume| format!(" resume={resume}"));
        self.client(
            client,
            &format!("Join sent lamport={t} clock={t} name={name}{asked}"),
        );
        let session = self.clients[client].session.clone();
        let receipt = self.clock.max(t) + 1;
        self.server(&format!(
            "Join received lamport={t} name={name} session={session}{asked} clock={receipt}"
        ));
        self.clock = receipt + 1;
        let position = self.head() + 1;
        let sentence = joined_sentence(name, self.clock.into());
        let body = format!(
            "kind=joined participant={position} name={name} text=\"{sentence}\" request={t}"
        );
        self.append(position, body, false);
        let lamport = self.clock;
        let next = resume.map_or(position.saturating_sub(backlog).max(1), |resume| resume + 1);
        let welcome = format!("lamport={lamport} position={position} participant={position}");
        let rest = format!("resumed=false next={next} head={position}");
        self.server(&format!("Join granted {welcome} generation=1 {rest}"));
        let each = &mut self.clients[client];
        each.clock = each.clock.max(lamport);
        each.number = Some(position);
        each.since = position;
        each.shown = next - 1;
        each.attached = true;
        let clock = each.clock;
        self.client(
            client,
            &format!("Join replied {welcome} {rest} clock={clock}"),
        );
    }

    fn append(&mut self, participant: u64, body: String, left: bool) {
        let (position, lamport) = (self.head() + 1, self.clock);
        self.server(&format!(
            "Broadcast sent lamport={lamport} position={position} {body} clock={lamport}"
        ));
        self.events.push(Event {
            lamport,
            participant,
            body,
            left,
        });
    }

    fn send(&mut self, client: usize) -> u64 {
        self.clients[client].clock += 1;
        self.clients[client].clock
    }

    fn deliver(&mut self, client: usize) {
        self.take(client);
    }

    /// Delivers the next event. Returns whether there was one.
    fn take(&mut self, client: usize) -> bool {
        let Some(each) = self
            .clients
            .get_mut(client)
            .filter(|each| each.attached && !each.dead)
        else {
            return false;
        };
        let Some(event) = self
            .events
            .get(usize::try_from(each.shown).unwrap_or(usize::MAX))
        else {
            return false;
        };
        each.shown += 1;
        let position = each.shown;
        each.clock = each.clock.max(event.lamport) + u64::from(position >= each.since);
        let own_end = event.left && each.number.unwrap_or(each.old_number) == event.participant;
        let body = format!(
            "Broadcast received lamport={} position={position} {} clock={}",
            event.lamport, event.body, each.clock
        );
        each.attached = !own_end;
        let done = own_end && each.left;
        self.client(client, &body);
        if done {
            self.clients[client].dead = true;
            self.client(
                client,
                "Link ended server=http://127.0.0.1:50051 reason=left",
            );
        }
        true
    }

    fn lose(&mut self, client: usize) {
        if self
            .clients
            .get(client)
            .is_some_and(|each| each.attached && !each.left && !each.dead)
        {
            self.clients[client].attached = false;
            self.requests.retain(|request| request.client != client);
            self.client(
                client,
                "Link lost server=http://127.0.0.1:50051 reason=gone retry_ms=20",
            );
        }
    }

    fn resume(&mut self, client: usize) {
        let back =
            |each: &&Client| !each.attached && !each.dead && !each.left && each.shown >= each.since;
        let Some(each) = self.clients.get(client).filter(back) else {
            return;
        };
        let (shown, session, name) = (each.shown, each.session.clone(), each.name);
        let Some(number) = each.number else {
            return self.enter(client, Some(shown), 0);
        };
        let t = self.send(client);
        self.client(
            client,
            &format!("Join sent lamport={t} clock={t} name={name} resume={shown}"),
        );
        self.server(&format!(
            "Join received lamport={t} name={name} session={session} resume={shown}"
        ));
        let lamport = self.events[usize::try_from(shown).unwrap_or(1) - 1].lamport;
        let head = self.head();
        let welcome = format!("lamport={lamport} position={shown} participant={number}");
        let rest = format!("resumed=true next={} head={head}", shown + 1);
        self.server(&format!("Join granted {welcome} generation=2 {rest}"));
        let each = &mut self.clients[client];
        each.clock = each.clock.max(lamport);
        each.since = shown;
        each.attached = true;
        let clock = each.clock;
        self.client(
            client,
            &format!("Join replied {welcome} {rest} clock={clock}"),
        );
    }

    fn expire(&mut self, client: usize) {
        let gone = |each: &Client| !each.attached && each.number.is_some();
        if self.clients.get(client).is_some_and(gone) {
            self.requests.retain(|request| request.client != client);
            self.clock += 1;
            self.left(client, "lost", 0);
        }
    }

    fn kill(&mut self, client: usize) {
        let each = &mut self.clients[client];
        if !each.left {
            each.attached = false;
            each.dead = true;
        }
    }
}
