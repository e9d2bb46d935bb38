//! Errors and refusals as gRPC statuses with `google.rpc` details
//! (<https://github.com/googleapis/googleapis/blob/master/google/rpc/error_details.proto>).

use std::{collections::HashMap, time::Duration};

use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _};

use crate::{log::ReadError, sequencer::RequestError};
use chitty_room::{MembershipRefusal, Refusal};

/// A field of the request has an invalid value.
#[expect(
    clippy::needless_pass_by_value,
    reason = "takes errors and texts alike"
)]
pub(super) fn bad_field(field: &str, reason: impl ToString) -> Status {
    let reason = reason.to_string();
    let details = ErrorDetails::with_bad_request_violation(field, &reason);
    Status::with_error_details(Code::InvalidArgument, reason, details)
}

/// The request is not a valid protobuf message, most often because a text is not UTF-8.
pub(super) fn malformed(error: &prost::DecodeError) -> Status {
    let text = error.to_string();
    // prost names the field in the text only: "... message: PublishRequest.text: invalid ...".
    let field = text
        .split(": ")
        .filter_map(|part| part.split_once('.'))
        .find(|(message, _)| message.ends_with("Request") || *message == "Resume")
        .map(|(_, field)| field.to_owned());
    match field {
        Some(field) => bad_field(&field, text),
        None => Status::invalid_argument(text),
    }
}

pub(super) fn refused(error: &RequestError) -> Status {
    match error {
        RequestError::Gone(gone) => Status::unavailable(gone.to_string()),
        RequestError::Refusal(refused) => refusal(refused),
    }
}

pub(super) fn refusal(refusal: &Refusal) -> Status {
    let text = refusal.to_string();
    match refusal {
        Refusal::Name(_) => bad_field("name", text),
        Refusal::NoTime | Refusal::TimeAhead { .. } => bad_field("lamport", text),
        Refusal::SeenAhead { .. } | Refusal::SeenFell { .. } => bad_field("seen", text),
        Refusal::NameTaken {
            retry_in: Some(delay),
            ..
        } => {
            let details = ErrorDetails::with_retry_info(Some(*delay));
            Status::with_error_details(Code::AlreadyExists, text, details)
        }
        Refusal::NameTaken { retry_in: None, .. } | Refusal::IdTaken { .. } => {
            Status::already_exists(text)
        }
        Refusal::Membership(refusal) => membership(refusal),
        Refusal::UnknownSession | Refusal::EndedSession => Status::unauthenticated(text),
        Refusal::TooFast { retry_in }
        | Refusal::TooManyJoins { retry_in }
        | Refusal::TimeJump { retry_in, .. } => {
            let details = ErrorDetails::with_retry_info(Some(*retry_in));
            Status::with_error_details(Code::ResourceExhausted, text, details)
        }
        Refusal::TimeEnds { .. } => Status::failed_precondition(text),
        Refusal::Full { .. } | Refusal::FullSource { .. } | Refusal::FullNetwork { .. } => {
            Status::resource_exhausted(text)
        }
    }
}

/// The domain of the reasons below.
const DOMAIN: &str = "chitty-chat";

/// A refusal by the gate, or of a change of the members, with a reason that programs can tell apart
/// (`google.rpc.ErrorInfo`).
fn membership(refusal: &MembershipRefusal) -> Status {
    use MembershipRefusal as No;
    let (code, reason) = match refusal {
        No::NoKey => (Code::Unauthenticated, "NO_KEY"),
        No::OperatorOnly => (Code::PermissionDenied, "OPERATOR_ONLY"),
        No::NotAMember { .. } => (Code::PermissionDenied, "NOT_A_MEMBER"),
        No::Removed => (Code::PermissionDenied, "REMOVED"),
        No::InvitationUnknown => (Code::PermissionDenied, "INVITATION_UNKNOWN"),
        No::InvitationExpired { .. } => (Code::PermissionDenied, "INVITATION_EXPIRED"),
        No::InvitationUsed { .. } => (Code::PermissionDenied, "INVITATION_USED"),
        No::InvitationRevoked => (Code::PermissionDenied, "INVITATION_REVOKED"),
        No::NoMembers => (Code::FailedPrecondition, "NO_MEMBERS"),
        No::SessionOfAnother => (Code::PermissionDenied, "SESSION_OF_ANOTHER"),
        No::NotAnAdmin => (Code::PermissionDenied, "NOT_AN_ADMIN"),
        No::NameReserved { .. } => (Code::AlreadyExists, "NAME_RESERVED"),
        No::NotOwnName { .. } => (Code::AlreadyExists, "NOT_OWN_NAME"),
        No::NameOfADevice => (Code::AlreadyExists, "NAME_OF_A_DEVICE"),
        No::OwnName { .. } => (Code::AlreadyExists, "OWN_NAME"),
        No::SecretTaken => (Code::AlreadyExists, "SECRET_TAKEN"),
        No::NoSuchMember { .. } => (Code::NotFound, "NO_SUCH_MEMBER"),
        No::NoSuchInvitation { .. } => (Code::NotFound, "NO_SUCH_INVITATION"),
        No::NoSuchDevice { .. } => (Code::NotFound, "NO_SUCH_DEVICE"),
        No::LastDevice { .. } => (Code::FailedPrecondition, "LAST_DEVICE"),
        No::StillMember { .. } => (Code::FailedPrecondition, "STILL_A_MEMBER"),
        No::TooManyMembers => (Code::ResourceExhausted, "TOO_MANY_MEMBERS"),
        No::TooManyDevices => (Code::ResourceExhausted, "TOO_MANY_DEVICES"),
        No::TooManyInvitations => (Code::ResourceExhausted, "TOO_MANY_INVITATIONS"),
        No::TooManyOwnInvitations => (Code::ResourceExhausted, "TOO_MANY_OWN_INVITATIONS"),
        No::Uses => return bad_field("uses", refusal),
        No::Lifetime => return bad_field("seconds", refusal),
        No::DeviceAlone => return bad_field("member", refusal),
    };
    let details = ErrorDetails::with_error_info(reason, DOMAIN, metadata(refusal));
    Status::with_error_details(code, refusal.to_string(), details)
}

/// What a program may want to know of a refusal without reading its sentence.
fn metadata(refusal: &MembershipRefusal) -> HashMap<String, String> {
    let (key, value) = match refusal {
        MembershipRefusal::NotOwnName { own } | MembershipRefusal::OwnName { own } => {
            ("name", own.to_string())
        }
        MembershipRefusal::InvitationUsed { by, .. } => ("by", by.to_string()),
        MembershipRefusal::NotAMember { key } => ("key", key.to_string()),
        _ => return HashMap::new(),
    };
    HashMap::from([(key.to_owned(), value)])
}

/// A refusal that says after which time to try again.
#[expect(
    clippy::needless_pass_by_value,
    reason = "takes refusals and texts alike"
)]
pub(super) fn later(reason: impl ToString, retry_in: Duration) -> Status {
    let details = ErrorDetails::with_retry_info(Some(retry_in));
    Status::with_error_details(Code::ResourceExhausted, reason.to_string(), details)
}

/// Refuses a page because the participant waits for as many as it may.
pub(super) fn too_many_pages(retry_in: Duration) -> Status {
    let text = format!(
        "too many pages of history are asked for at once; ask again in {} ms",
        retry_in.as_millis() + 1
    );
    later(text, retry_in)
}

pub(super) fn unreadable(error: &ReadError) -> Status {
    Status::unavailable(error.to_string())
}
