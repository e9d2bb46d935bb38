//! Requests: clients send them, and the server serves them.

use chitty_chat::event::left_sentence;

use super::{Client, Model, Request, What};

impl Model {
    pub(super) fn publish(&mut self, client: usize) {
        let number = self.below(1000);
        let Some(each) = self.clients.get(client) else {
            return;
        };
        let what = What::Publish {
            id: format!("{:032x}", self.wall * 7919 + client as u64),
            seen: each.shown,
            text: format!("line {number} of {}", self.wall),
        };
        if each.shown >= each.since {
            self.ask(client, &what);
        }
    }

    /// Sends a request, one at a time and only if attached. A message without an outcome is sent
    /// again instead.
    pub(super) fn ask(&mut self, client: usize, what: &What) {
        let ready =
            |each: &&mut Client| each.attached && !each.dead && !each.left && each.number.is_some();
        let Some(each) = self.clients.get_mut(client).filter(ready) else {
            return;
        };
        if self.requests.iter().any(|request| request.client == client) {
            return;
        }
        let retry = each.outstanding.clone();
        let (t, what, again) = match retry {
            Some((t, what)) => (t, what, true),
            None => (self.send(client), what.clone(), false),
        };
        let clock = self.clients[client].clock;
        match &what {
            What::Publish { id, seen, text } => {
                let again = if again { " retry=true" } else { "" };
                self.client(client, &format!(
                    "Publish sent lamport={t} clock={clock} id={id} seen={seen}{again} text=\"{text}\""
                ));
                self.clients[client].outstanding = Some((t, what.clone()));
            }
            What::Leave => {
                self.clients[client].left = true;
                self.client(client, &format!("Leave sent lamport={t} clock={clock}"));
            }
        }
        self.requests.push_back(Request {
            client,
            lamport: t,
            what,
        });
    }

    pub(super) fn serve(&mut self) {
        let Some(request) = self.requests.pop_front() else {
            return;
        };
        let each = &self.clients[request.client];
        let (session, name) = (each.session.clone(), each.name);
        let Some(number) = each.number else { return };
        let t = request.lamport;
        let reply = match &request.what {
            What::Publish { id, seen, text } => {
                let found = self
                    .events
                    .iter()
                    .position(|event| event.body.contains(id.as_str()));
                let head = format!("Publish received lamport={t}");
                let tail = format!("session={session} id={id} seen={seen}");
                let (position, lamport, repeated) = if let Some(found) = found {
                    self.server(&format!("{head} {tail}"));
                    (
                        found as u64 + 1,
                        self.events[found].lamport,
                        " repeated=true",
                    )
                } else {
                    let receipt = self.clock.max(t) + 1;
                    self.server(&format!(
                        "{head} participant={number} {tail} clock={receipt}"
                    ));
                    self.clock = receipt + 1;
                    let body = format!(
                        "kind=message participant={number} author={name} id={id} seen={seen} \
                         text=\"{text}\" request={t}"
                    );
                    self.append(number, body, false);
                    (self.head(), self.clock, "")
                };
                let reply =
                    format!("Publish replied lamport={lamport} position={position} id={id}");
                self.server(&format!("{reply}{repeated}"));
                (lamport, reply)
            }
            What::Leave => {
                let receipt = self.clock.max(t) + 1;
                self.server(&format!(
                    "Leave received lamport={t} participant={number} session={session} clock={receipt}"
                ));
                self.clock = receipt + 1;
                self.left(request.client, "left", t);
                let reply = format!(
                    "Leave replied lamport={} position={}",
                    self.clock,
                    self.head()
                );
                self.server(&reply);
                (self.clock, reply)
            }
        };
        // Some replies are lost, so that there are retries.
        let is_leave = matches!(request.what, What::Leave);
        let lost = !is_leave && self.below(6) == 0;
        let each = &mut self.clients[request.client];
        if each.dead || lost {
            return;
        }
        each.clock = each.clock.max(reply.0);
        each.outstanding = None;
        let clock = each.clock;
        self.client(request.client, &format!("{} clock={clock}", reply.1));
    }

    pub(super) fn left(&mut self, client: usize, reason: &str, request: u64) {
        let Some(number) = self.clients[client].number.take() else {
            return;
        };
        self.clients[client].old_number = number;
        let name = self.clients[client].name;
        let sentence = left_sentence(name, self.clock.into());
        let body = format!(
            "kind=left participant={number} name={name} reason={reason} text=\"{sentence}\" request={request}"
        );
        self.append(number, body, true);
    }
}
