//! Errors and refusals as gRPC statuses with `google.rpc` details
//! (<https://github.com/googleapis/googleapis/blob/master/google/rpc/error_details.proto>).

use std::time::Duration;

use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _};

use crate::{log::ReadError, sequencer::RequestError};
use chitty_room::Refusal;

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
