//! The fold: the state that follows from the log's records alone.

use std::{
    sync::{Arc, LazyLock},
    time::SystemTime,
};

use chitty_chat::{
    Event, EventKind, InvitationEvent, LamportClock, LamportTime, LeftReason, MemberEvent,
    MemberNumber, ParticipantNumber, Position, SessionHash, fingerprint::Fingerprint,
    secret::digest, text::NameKey,
};
use imbl::{HashMap, OrdMap};
use thiserror::Error;

use super::{
    Members, Receipt, SessionState,
    published::{IdMatch, Published},
    sessions::Sessions,
};
use crate::record::{PrivatePart, Record};

/// The private part of a record that has none.
static NOTHING_PRIVATE: LazyLock<PrivatePart> = LazyLock::new(PrivatePart::default);

/// The state of the chat after a prefix of its log. The same prefix gives the same state on every
/// machine, live or in a replay.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Fold {
    pub(super) head: Position,
    pub(super) clock: LamportClock,
    pub(super) present: OrdMap<ParticipantNumber, Participant>,
    pub(super) names: HashMap<NameKey, ParticipantNumber>,
    pub(super) sessions: Sessions,
    pub(super) published: Published,
    pub(super) members: Members,
    /// The wall clock of the newest event, by which invitations end, too.
    pub(super) at: Option<SystemTime>,
}

/// A participant that is present.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Participant {
    /// The position of its Joined.
    pub number: ParticipantNumber,
    /// The name that it joined with.
    pub name: Arc<str>,
    /// The hash of its session.
    pub session: SessionHash,
    /// The last position that it is known to have been shown; 0 if it did not say.
    pub seen: Position,
    /// The number of its latest stream, from 1, as of its last record.
    pub generation: u64,
    /// The key of the connection that it joined on; `None` if it proved none.
    pub key: Option<Fingerprint>,
    /// The member that it is; `None` in an open chat.
    pub member: Option<MemberNumber>,
}

/// Why a record does not fit the records before it: the log is damaged, or its writer broke the
/// rules.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum FoldError {
    /// Positions have no gaps.
    #[error("the log has position {found} where {expected} follows")]
    Position {
        /// The position that follows.
        expected: Position,
        /// The position of the record.
        found: Position,
    },
    /// A time follows from the one before and from the request's.
    #[error("position {position} has Lamport time {found}; the rules give {expected}")]
    Time {
        /// The position of the record.
        position: Position,
        /// The time by the rules.
        expected: LamportTime,
        /// The Lamport time of the record.
        found: LamportTime,
    },
    /// Times rise, so none can follow the last number.
    #[error("position {position} has Lamport time {found}, as the one before: time stands still")]
    StandsStill {
        /// The position of the record.
        position: Position,
        /// The Lamport time of the record.
        found: LamportTime,
    },
    /// A Joined belongs to a session.
    #[error("the Joined at position {position} has no session")]
    NoSession {
        /// The position of the record.
        position: Position,
    },
    /// A record about a member or an invitation has what only the server knows of it.
    #[error("the event at position {position} about {about} does not fit its record")]
    Private {
        /// The position of the record.
        position: Position,
        /// What the event is about.
        about: &'static str,
    },
    /// Only a present participant can write or leave.
    #[error("position {position} speaks of participant {participant}, who is not present")]
    NotPresent {
        /// The position of the record.
        position: Position,
        /// The participant that is not present.
        participant: ParticipantNumber,
    },
}

impl Fold {
    /// The last position; 0 before the first.
    pub const fn head(&self) -> Position {
        self.head
    }

    /// The log's Lamport time: that of the last event.
    pub const fn now(&self) -> LamportTime {
        self.clock.now()
    }

    /// The participants that are present, in the order of joining.
    pub fn participants(&self) -> impl Iterator<Item = &Participant> {
        self.present.values()
    }

    /// How many are present.
    pub fn count(&self) -> usize {
        self.present.len()
    }

    /// The present participant with this number.
    pub fn participant(&self, number: ParticipantNumber) -> Option<&Participant> {
        self.present.get(&number)
    }

    /// The number of a present participant's latest stream as the log knows it; 0 if it is not
    /// present.
    pub(super) fn generation(&self, number: ParticipantNumber) -> u64 {
        self.present
            .get(&number)
            .map_or(0, |participant| participant.generation)
    }

    /// The members and invitations.
    pub const fn members(&self) -> &Members {
        &self.members
    }

    /// The state of a session; `None` if it is not known, or has been forgotten.
    pub fn session(&self, session: &SessionHash) -> Option<SessionState> {
        self.sessions.get(session)
    }

    /// The present participant that has one of these name keys, other than `but`, who is about to
    /// leave.
    pub(super) fn owner(
        &self,
        keys: &[NameKey],
        but: Option<ParticipantNumber>,
    ) -> Option<&Participant> {
        keys.iter()
            .filter_map(|key| self.names.get(key))
            .filter(|number| Some(**number) != but)
            .find_map(|number| self.present.get(number))
    }

    /// The same fold without the ids of messages, which are too expensive to share with readers.
    pub(super) fn without_published(&self) -> Self {
        Self {
            head: self.head,
            clock: self.clock,
            present: self.present.clone(),
            names: self.names.clone(),
            sessions: self.sessions.clone(),
            published: Published::default(),
            members: self.members.clone(),
            at: self.at,
        }
    }

    pub(super) fn find_published(&self, id: &str, text: &str) -> Option<IdMatch> {
        self.published.find(id, digest(text))
    }

    /// The time of the next event: after the receipt of its request, if there is one, and the tick
    /// of its broadcast.
    pub fn next_time(&self, request: LamportTime) -> LamportTime {
        time_after(self.now(), request)
    }

    /// Applies one record. Live records and replayed ones both come through here. On an error
    /// nothing has changed.
    pub fn apply(&mut self, record: &Record) -> Result<(), FoldError> {
        let event = &record.event;
        // Every check comes before the first change, so that an error leaves the fold as it was.
        self.check(event)?;
        match &event.kind {
            EventKind::Joined { name, member } => {
                let session = record.session.ok_or(FoldError::NoSession {
                    position: event.position,
                })?;
                let participant = Participant {
                    number: ParticipantNumber::from(event.position),
                    name: Arc::clone(name),
                    session,
                    seen: Position::ZERO,
                    generation: record.generation,
                    key: record.private.as_ref().and_then(|private| private.key),
                    member: *member,
                };
                self.join(participant);
            }
            EventKind::Left {
                reason,
                participant,
                ..
            } => {
                self.require_present(event.position, *participant)?;
                self.leave(*participant, *reason, Receipt::of(event));
            }
            EventKind::Message {
                text,
                id,
                seen,
                participant,
                ..
            } => {
                self.require_present(event.position, *participant)?;
                self.hear_of(*participant, *seen, record.generation);
                if !id.is_empty() {
                    self.published
                        .insert(Arc::clone(id), Receipt::of(event), digest(text));
                }
            }
            EventKind::Member(member) => {
                let private = record.private.as_deref().unwrap_or(&NOTHING_PRIVATE);
                check_member(event.position, member, private)?;
                self.members
                    .apply_member(event.position, event.at, member, private);
            }
            EventKind::Invitation(invitation) => {
                let private = record.private.as_deref().unwrap_or(&NOTHING_PRIVATE);
                check_invitation(event.position, invitation, private)?;
                self.members
                    .apply_invitation(event.position, invitation, private);
            }
            // It still takes its position and its time, so that this version can read a newer log.
            EventKind::Unknown => {}
        }
        self.head = event.position;
        self.clock = LamportClock::starting_at(event.lamport);
        // Not the latest time of all: a clock that was far ahead once would end every invitation that
        // is made after it was corrected.
        self.at = Some(event.at);
        // By position and not by wall time, so that every replay forgets the same ids.
        self.published.forget(self.head);
        Ok(())
    }

    fn check(&self, event: &Event) -> Result<(), FoldError> {
        let expected = self.head.next();
        if event.position != expected {
            return Err(FoldError::Position {
                expected,
                found: event.position,
            });
        }
        check_time(self.now(), event)
    }

    fn require_present(
        &self,
        position: Position,
        participant: ParticipantNumber,
    ) -> Result<(), FoldError> {
        if self.present.contains_key(&participant) {
            Ok(())
        } else {
            Err(FoldError::NotPresent {
                position,
                participant,
            })
        }
    }

    /// Updates how far a present participant has read, and on which stream.
    fn hear_of(&mut self, number: ParticipantNumber, seen: Position, generation: u64) {
        // Checked first, because changing an entry of a persistent map copies a path of its tree.
        let is_new = self.present.get(&number).is_some_and(|participant| {
            seen > participant.seen || generation > participant.generation
        });
        if is_new && let Some(participant) = self.present.get_mut(&number) {
            participant.seen = participant.seen.max(seen);
            participant.generation = participant.generation.max(generation);
        }
    }

    /// Tidies up after a clone has replaced the original.
    pub(super) fn settle(&mut self) {
        self.published.settle();
    }

    fn join(&mut self, participant: Participant) {
        let (session, number) = (participant.session, participant.number);
        self.insert_present(participant);
        self.sessions.begin(session, number);
    }

    pub(super) fn insert_present(&mut self, participant: Participant) {
        for key in NameKey::of(&participant.name) {
            self.names.insert(key, participant.number);
        }
        self.present.insert(participant.number, participant);
    }

    fn leave(&mut self, number: ParticipantNumber, reason: LeftReason, receipt: Receipt) {
        let Some(participant) = self.present.remove(&number) else {
            return;
        };
        for key in NameKey::of(&participant.name) {
            // Only its own keys: in a log written under older rules, two present participants may
            // share one.
            if self.names.get(&key) == Some(&number) {
                self.names.remove(&key);
            }
        }
        self.sessions
            .end(participant.session, reason, receipt, participant.key);
    }
}

fn check_member(
    position: Position,
    event: &MemberEvent,
    private: &PrivatePart,
) -> Result<(), FoldError> {
    let about = "a member";
    if usize::try_from(event.keys) == Ok(private.devices.len()) {
        Ok(())
    } else {
        Err(FoldError::Private { position, about })
    }
}

fn check_invitation(
    position: Position,
    event: &InvitationEvent,
    private: &PrivatePart,
) -> Result<(), FoldError> {
    let about = "an invitation";
    // Only the event that makes it carries its secret.
    if (event.number == Position::ZERO) == private.secret.is_some() {
        Ok(())
    } else {
        Err(FoldError::Private { position, about })
    }
}

/// Checks an event's Lamport time, given that of the event before it.
///
/// # Errors
/// The time is not the one that the rules give, or not later than the one before, which happens at
/// the last number only.
pub fn check_time(before: LamportTime, event: &Event) -> Result<(), FoldError> {
    let (position, found) = (event.position, event.lamport);
    let expected = time_after(before, event.request);
    // Computed again and not believed: a log with other times is damaged, or broke the rules.
    if found != expected {
        return Err(FoldError::Time {
            position,
            expected,
            found,
        });
    }
    if found <= before {
        return Err(FoldError::StandsStill { position, found });
    }
    Ok(())
}

/// The rule of the log's clock: the time of the event after one at `before`.
pub fn time_after(before: LamportTime, request: LamportTime) -> LamportTime {
    let mut clock = LamportClock::starting_at(before);
    if request != LamportTime::ZERO {
        clock.receive(request);
    }
    clock.tick()
}

impl Receipt {
    pub(super) const fn of(event: &Event) -> Self {
        Self {
            position: event.position,
            lamport: event.lamport,
        }
    }
}
