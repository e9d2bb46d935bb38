//! The root causes of errors, for people.

use std::error::Error;

#[cfg(feature = "grpc")]
use tonic::Status;

/// The innermost error's text: "Connection refused" rather than "transport error".
pub fn root_cause(error: &(dyn Error + 'static)) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}

/// Why a call failed: the status's innermost error, otherwise its message, otherwise the meaning of
/// its code.
#[cfg(feature = "grpc")]
pub fn of_status(status: &Status) -> String {
    match status.source() {
        Some(source) => root_cause(source),
        None if status.message().is_empty() => status.code().description().to_owned(),
        None => status.message().to_owned(),
    }
}
