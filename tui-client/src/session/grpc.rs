//! What is specific to gRPC: the settings of a connection, deadlines, and the meaning of a status.

use std::{future::Future, time::Duration};

use chitty_chat::{cause::of_status, proto::v1::chitty_chat_client::ChittyChatClient};
use http::Uri;
use prost::Message as _;
use tonic::{
    Code, Request, Response, Status,
    transport::{Channel, Endpoint},
};
use tonic_types::{RetryInfo, StatusExt as _, pb};

use super::{bounds, refusal::Refusal};

/// How long connecting may take.
const CONNECT: Duration = Duration::from_secs(3);
/// How long the answer to a unary call, or the first message of a stream, may take.
pub(super) const CALL: Duration = Duration::from_secs(5);
/// How long the answer to Leave may take, because the user waits for it.
pub(super) const LEAVE: Duration = Duration::from_secs(1);

/// The flow-control window of a stream, in bytes: how much a stream that is not read can hold.
const STREAM_WINDOW: u32 = 64 * 1024;
/// The flow-control window of a connection, in bytes. It is much larger, so that unary calls get
/// through beside a stream that is not read, and so that one such stream does not use up h2's
/// budget for small frames.
const CONNECTION_WINDOW: u32 = 1024 * 1024;

/// The settings of a connection to a Chitty-Chat server.
pub fn endpoint(server: Uri) -> Endpoint {
    Endpoint::from(server)
        .connect_timeout(CONNECT)
        .tcp_nodelay(true)
        .http2_keep_alive_interval(Duration::from_secs(10))
        .keep_alive_timeout(Duration::from_secs(5))
        .keep_alive_while_idle(true)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .http2_max_header_list_size(bounds::HEADERS)
}

/// A client whose answers have messages of at most `largest` bytes; a larger one fails with
/// `OUT_OF_RANGE` before it is read.
pub(super) fn client(channel: Channel, largest: usize) -> ChittyChatClient<Channel> {
    ChittyChatClient::new(channel).max_decoding_message_size(largest)
}

/// A request that the server may drop after the deadline.
pub(super) fn request<T>(message: T, deadline: Duration) -> Request<T> {
    let mut request = Request::new(message);
    request.set_timeout(deadline);
    request
}

/// The answer of a call, or `DEADLINE_EXCEEDED` after the deadline.
pub(super) async fn answer<T>(
    deadline: Duration,
    call: impl Future<Output = Result<Response<T>, Status>>,
) -> Result<T, Status> {
    match tokio::time::timeout(deadline, call).await {
        Ok(answer) => answer.map(Response::into_inner),
        Err(_) => Err(no_answer(deadline)),
    }
}

/// The status of a call without an answer.
pub(super) fn no_answer(deadline: Duration) -> Status {
    Status::deadline_exceeded(format!("no answer for {} s", deadline.as_secs()))
}

/// The meaning of a failed Join.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum JoinFailure {
    /// Another name is needed, or the same one later.
    Refused {
        reason: String,
        retry_in: Option<Duration>,
    },
    /// The user is in the chat on another device, under the same name.
    OwnName(String),
    /// The session continues in another process.
    TakenOver,
    /// The session was ended, and cannot be revived.
    Removed(String),
    /// Trying again is useless.
    Failed(String),
    /// Try again, but not before this time has passed.
    Lost { reason: String, wait: Duration },
}

impl JoinFailure {
    pub(super) fn of(status: &Status) -> Self {
        let retry_in = retry_in(status);
        let reason = reason(status);
        if let Some(refusal) = Refusal::of(status) {
            return refusal.into_failure(&reason, retry_in);
        }
        match status.code() {
            Code::AlreadyExists => Self::Refused { reason, retry_in },
            Code::InvalidArgument if is_about(status, "name") => Self::Refused { reason, retry_in },
            Code::Aborted => Self::TakenOver,
            Code::Unauthenticated => Self::Removed(reason),
            // These are configuration errors: trying again would only repeat them.
            Code::NotFound => Self::Failed(format!(
                "the server has no such room ({reason}); choose another server with --server"
            )),
            Code::Unimplemented => Self::Failed(format!(
                "the server does not speak this version of Chitty-Chat ({reason}); update it, or \
                 choose another one with --server"
            )),
            Code::InvalidArgument | Code::PermissionDenied | Code::FailedPrecondition => {
                Self::Failed(format!(
                    "the server does not let this client in: {reason}; start chitty again, or \
                     choose another server with --server"
                ))
            }
            _ => Self::Lost {
                reason,
                wait: retry_in.unwrap_or_default(),
            },
        }
    }
}

/// The meaning of a failed Publish.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum PublishFailure {
    /// The line is not in the log and will not be.
    Refused(String),
    /// The rate limit was exceeded: try again after this time.
    Wait(Duration),
    /// The participation is over: join again, then retry.
    Rejoin(String),
    /// The line may be in the log or still get there: retry.
    Unknown,
}

impl PublishFailure {
    pub(super) fn of(status: &Status) -> Self {
        match status.code() {
            Code::Unauthenticated => Self::Rejoin(reason(status)),
            Code::InvalidArgument
            | Code::AlreadyExists
            | Code::OutOfRange
            | Code::FailedPrecondition
            | Code::PermissionDenied
            | Code::NotFound
            | Code::Unimplemented => Self::Refused(reason(status)),
            Code::ResourceExhausted => match retry_in(status) {
                Some(wait) => Self::Wait(wait),
                None => Self::Refused(reason(status)),
            },
            _ => Self::Unknown,
        }
    }
}

/// The text of a status for the user: what is wrong with the request's fields, or why there is no
/// answer.
pub(super) fn reason(status: &Status) -> String {
    bounds::reason(unbounded_reason(status))
}

fn unbounded_reason(status: &Status) -> String {
    let violations: Vec<String> = status
        .get_details_bad_request()
        .into_iter()
        .flat_map(|bad| bad.field_violations)
        .map(|violation| violation.description)
        .filter(|description| !description.is_empty())
        .collect();
    if !violations.is_empty() {
        return violations.join("; ");
    }
    in_words(of_status(status))
}

/// What the libraries below say about a connection that broke, in words that mean something to people.
fn in_words(reason: String) -> String {
    let words = match reason.as_str() {
        // tonic::TimeoutExpired
        "Timeout expired" => "the server does not answer",
        // h2, if a ping is not answered
        "keep-alive timed out" | "stream closed because of a broken pipe" | "broken pipe" => {
            "the connection broke"
        }
        // rustls, if the server was killed
        text if text.starts_with("peer closed connection without sending TLS close_notify") => {
            "the connection broke"
        }
        _ => return reason,
    };
    words.to_owned()
}

fn retry_in(status: &Status) -> Option<Duration> {
    // `get_details_retry_info` is not used, because its conversion overflows at the least number of
    // seconds.
    let details = pb::Status::decode(status.details()).ok()?.details;
    let info = details
        .iter()
        .find(|any| any.type_url == RetryInfo::TYPE_URL)?;
    let info = pb::RetryInfo::decode(&*info.value).ok()?;
    info.retry_delay.as_ref().map(bounds::wait)
}

/// Whether the violated fields are only this one; without details that is assumed.
fn is_about(status: &Status, field: &str) -> bool {
    status
        .get_details_bad_request()
        .is_none_or(|bad| bad.field_violations.iter().all(|each| each.field == field))
}

#[cfg(test)]
mod tests {
    use chitty_chat::cause::root_cause;
    use tonic_types::ErrorDetails;

    use super::*;

    fn bad(field: &str, description: &str) -> Status {
        let details = ErrorDetails::with_bad_request_violation(field, description);
        Status::with_error_details(Code::InvalidArgument, "invalid", details)
    }

    fn slow(code: Code, wait: Duration) -> Status {
        let details = ErrorDetails::with_retry_info(Some(wait));
        Status::with_error_details(code, "later", details)
    }

    #[test]
    fn a_bad_name_is_refused_with_its_violation() {
        let refused = JoinFailure::of(&bad("name", "a name has no such character"));
        let reason = "a name has no such character".into();
        let retry_in = None;
        assert_eq!(refused, JoinFailure::Refused { reason, retry_in });
        let failed = JoinFailure::of(&bad("lamport", "far ahead"));
        assert!(matches!(failed, JoinFailure::Failed(reason) if reason.contains("far ahead")));
    }

    #[test]
    fn waiting_times_are_honoured() {
        let wait = Duration::from_millis(1500);
        let reason = String::from("later");
        assert_eq!(
            JoinFailure::of(&slow(Code::AlreadyExists, wait)),
            JoinFailure::Refused {
                reason: reason.clone(),
                retry_in: Some(wait)
            }
        );
        assert_eq!(
            JoinFailure::of(&slow(Code::ResourceExhausted, wait)),
            JoinFailure::Lost { reason, wait }
        );
        let exhausted = Code::ResourceExhausted;
        assert_eq!(
            PublishFailure::of(&slow(exhausted, wait)),
            PublishFailure::Wait(wait)
        );
        assert_eq!(
            PublishFailure::of(&Status::new(exhausted, "too large")),
            PublishFailure::Refused("too large".into())
        );
    }

    #[test]
    fn a_session_that_goes_on_elsewhere_is_not_taken_back() {
        let failure = JoinFailure::of(&Status::aborted("taken over"));
        assert_eq!(failure, JoinFailure::TakenOver);
    }

    #[test]
    fn the_innermost_error_says_what_is_wrong() {
        #[derive(Debug, thiserror::Error)]
        #[error("transport error")]
        struct Outer(#[source] std::io::Error);
        let inner = std::io::Error::from(std::io::ErrorKind::ConnectionRefused);
        let said = inner.to_string();
        assert_eq!(root_cause(&Outer(inner)), said);
        let inner = std::io::Error::other("Connection refused");
        let mut status = Status::unavailable("transport error");
        status.set_source(std::sync::Arc::new(Outer(inner)));
        assert_eq!(reason(&status), "Connection refused");
    }

    #[test]
    fn a_connection_that_broke_is_in_words() {
        for (said, words) in [
            ("Timeout expired", "does not answer"),
            (
                "stream closed because of a broken pipe",
                "the connection broke",
            ),
            (
                "peer closed connection without sending TLS close_notify: https://docs.rs/rustls",
                "the connection broke",
            ),
            ("Connection refused", "Connection refused"),
        ] {
            let reason = reason(&Status::unavailable(said));
            assert!(reason.contains(words), "{reason}");
        }
    }

    #[test]
    fn what_may_have_been_published_is_not_called_refused() {
        for code in [
            Code::Unavailable,
            Code::DeadlineExceeded,
            Code::Cancelled,
            Code::Unknown,
            Code::Internal,
        ] {
            let status = Status::new(code, "");
            assert_eq!(PublishFailure::of(&status), PublishFailure::Unknown);
            assert!(matches!(JoinFailure::of(&status), JoinFailure::Lost { .. }));
        }
    }
}
