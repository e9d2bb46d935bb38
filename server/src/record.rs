//! Records: the entries of the log. Each is an event, and what the fold needs beside it.

use chitty_chat::{Event, SessionHash, proto::log_v1};
use prost::Message as _;
use thiserror::Error;

/// One entry of the log, `chitty.log.v1.Record`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The event that is broadcast.
    pub event: Event,
    /// The session that a Joined belongs to; `None` for other events.
    pub session: Option<SessionHash>,
    /// The number of the participation's latest stream, from 1, when the record was written. It
    /// never falls within a participation, not even after a restart.
    pub generation: u64,
}

/// Why bytes are not a record.
#[derive(Debug, Error)]
pub enum RecordError {
    /// Not the encoding of a record.
    #[error("not a record of the log: {0}")]
    Encoding(#[from] prost::DecodeError),
    /// The event is missing.
    #[error("a record of the log without an event")]
    NoEvent,
    /// The session is not 16 bytes.
    #[error("a record of the log with a session of {0} bytes")]
    Session(usize),
}

impl Record {
    /// Encodes the record as it is stored.
    pub fn encode(&self) -> Vec<u8> {
        log_v1::Record {
            event: Some((&self.event).into()),
            session: self
                .session
                .map_or_else(Vec::new, |hash| hash.as_bytes().to_vec()),
            generation: self.generation,
            server: String::new(),
        }
        .encode_to_vec()
    }

    /// Decodes a record from the bytes in the store.
    pub fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        let record = log_v1::Record::decode(bytes)?;
        let session = match record.session.as_slice() {
            [] => None,
            bytes => Some(SessionHash::from_bytes(bytes).ok_or(RecordError::Session(bytes.len()))?),
        };
        Ok(Self {
            event: record.event.ok_or(RecordError::NoEvent)?.into(),
            session,
            generation: record.generation,
        })
    }
}
