//! The code generated from `proto/`: [`v1`] is the wire contract, and [`log_v1`] is what the
//! durable log stores.

use std::fmt;

#[cfg(feature = "grpc")]
use tonic::Code;

/// The wire contract, package `chitty.v1`.
#[allow(missing_docs, clippy::pedantic)]
pub mod v1 {
    include!(concat!(env!("OUT_DIR"), "/chitty.v1.rs"));

    /// The full name of the gRPC service, as in paths and in health checks.
    pub const SERVICE_NAME: &str = "chitty.v1.ChittyChat";

    /// The full name of the service for members and invitations.
    pub const MEMBERS_SERVICE_NAME: &str = "chitty.v1.Members";

    /// The encoded `FileDescriptorSet` of the wire contract, for gRPC reflection.
    pub const FILE_DESCRIPTOR_SET: &[u8] =
        include_bytes!(concat!(env!("OUT_DIR"), "/chitty.v1.bin"));
}

/// The messages that the log stores, package `chitty.log.v1`.
#[allow(missing_docs, clippy::pedantic)]
pub mod log_v1 {
    include!(concat!(env!("OUT_DIR"), "/log/chitty.log.v1.rs"));
}

/// Implements `Debug` for messages that carry a session or the secret of an invitation, and leaves
/// the secrets out.
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
    Welcome { epoch, position, lamport, participants, resumed, next, head, first, room, participant, member, role }
    PublishRequest { text, id, seen, lamport }
    LeaveRequest { lamport }
    HistoryRequest { before, limit, after, at_lamport }
    InviteRequest { role, uses, seconds, name, member, only, lamport }
}

/// A status code's name as the specification spells it, such as `INVALID_ARGUMENT`
/// (<https://github.com/grpc/grpc/blob/master/doc/statuscodes.md>).
#[cfg(feature = "grpc")]
pub const fn status_name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}

#[cfg(test)]
mod tests {
    use super::v1;

    const SECRET: &str = "hunter2hunter2hunter2hunter2";

    /// Every message with every secret that it can carry.
    fn with_secrets() -> Vec<String> {
        let session = || SECRET.to_owned();
        let kind = v1::broadcast::Kind::Welcome(v1::Welcome {
            session: session(),
            ..Default::default()
        });
        let broadcast = v1::Broadcast { kind: Some(kind) };
        let join = v1::JoinRequest {
            session: session(),
            invitation: session(),
            ..Default::default()
        };
        let publish = v1::PublishRequest {
            session: session(),
            ..Default::default()
        };
        let leave = v1::LeaveRequest {
            session: session(),
            ..Default::default()
        };
        let history = v1::HistoryRequest {
            session: session(),
            ..Default::default()
        };
        let invite = v1::InviteRequest {
            secret_sha256: SECRET.into(),
            ..Default::default()
        };
        vec![
            format!("{broadcast:?}"),
            format!("{join:?}"),
            format!("{publish:?}"),
            format!("{leave:?}"),
            format!("{history:?}"),
            format!("{invite:?}"),
        ]
    }

    #[test]
    fn debug_redacts_secrets() {
        let bytes = format!("{:?}", SECRET.as_bytes());
        for message in with_secrets() {
            assert!(!message.contains("hunter2"), "{message}");
            assert!(!message.contains(&bytes[1..20]), "{message}");
        }
    }

    /// A new field for a secret needs a place in `build.rs` and in `with_secrets`.
    #[test]
    fn no_other_message_has_a_secret() {
        let proto = include_str!("../proto/chitty/v1/chitty.proto");
        let secrets = proto.lines().map(str::trim).filter(|line| {
            ["session", "invitation", "secret"].iter().any(|word| {
                line.starts_with(&format!("string {word}"))
                    || line.starts_with(&format!("bytes {word}"))
            })
        });
        assert_eq!(secrets.count(), 7);
    }
}
