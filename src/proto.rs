//! The generated code: [`v1`] is the wire contract, [`log_v1`] what the durable log stores.

use std::fmt;

/// The wire contract, package `chitty.v1`.
#[allow(missing_docs, clippy::pedantic)]
pub mod v1 {
    tonic::include_proto!("chitty.v1");

    /// The full name of the gRPC service, as in paths and in health checks.
    pub const SERVICE_NAME: &str = "chitty.v1.ChittyChat";

    /// The encoded `FileDescriptorSet` of the wire contract, for gRPC reflection.
    pub const FILE_DESCRIPTOR_SET: &[u8] =
        include_bytes!(concat!(env!("OUT_DIR"), "/chitty.v1.bin"));
}

/// What the log stores, package `chitty.log.v1`.
#[allow(missing_docs, clippy::pedantic)]
pub mod log_v1 {
    include!(concat!(env!("OUT_DIR"), "/log/chitty.log.v1.rs"));
}

/// Sessions are secrets: `Debug` of the messages that carry one leaves it out.
macro_rules! redacted_debug {
    ($($message:ident { $($field:ident),* })*) => {$(
        impl fmt::Debug for v1::$message {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($message))
                    $(.field(stringify!($field), &self.$field))*
                    .finish_non_exhaustive()
            }
        }
    )*};
}

redacted_debug! {
    JoinRequest { name, lamport, resume, backlog, room }
    Welcome { epoch, position, lamport, participants, resumed, next, head, first, room, participant }
    PublishRequest { text, id, seen, lamport }
    LeaveRequest { lamport }
    HistoryRequest { before, limit, after, at_lamport }
}

#[cfg(test)]
mod tests {
    use super::v1;

    #[test]
    fn debug_redacts_sessions() {
        let request = v1::PublishRequest {
            session: "hunter2hunter2hunter2hunter2".into(),
            ..Default::default()
        };
        assert!(!format!("{request:?}").contains("hunter2"));
        let request = v1::Broadcast {
            kind: Some(v1::broadcast::Kind::Welcome(v1::Welcome {
                session: "hunter2".into(),
                ..Default::default()
            })),
        };
        assert!(!format!("{request:?}").contains("hunter2"));
    }
}
