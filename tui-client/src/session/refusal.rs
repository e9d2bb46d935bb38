//! Why a closed chat does not let somebody in, in words that say what to do.
//!
//! The server names the reason by an `ErrorInfo` (<https://google.aip.dev/193>), and says it in a
//! sentence of its own. The sentence has what only the server knows, such as when an invitation
//! was used and by whom; what to do next is said here, where the commands are known.

use std::time::Duration;

use tonic::Status;
use tonic_types::StatusExt as _;

use super::grpc::JoinFailure;

/// The domain of the reasons, as the server sends it.
const DOMAIN: &str = "chitty-chat";

/// A reason for which a Join was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// A closed chat, and a connection that showed no key.
    NoKey,
    /// The key is no member's, and there was no invitation.
    NotAMember,
    /// The server does not know the invitation.
    InvitationUnknown,
    /// Its time is over.
    InvitationExpired,
    /// It was used.
    InvitationUsed,
    /// It was revoked.
    InvitationRevoked,
    /// The member was removed.
    Removed,
    /// The session was begun by another key.
    SessionOfAnother,
    /// The name belongs to another member.
    NameReserved,
    /// The member is in the chat under this name, on another device.
    OwnName,
}

impl Refusal {
    /// The reason of a status; `None` if it has none of these.
    pub(super) fn of(status: &Status) -> Option<Self> {
        let info = status.get_details_error_info()?;
        if info.domain != DOMAIN {
            return None;
        }
        Some(match info.reason.as_str() {
            "NO_KEY" => Self::NoKey,
            "NOT_A_MEMBER" => Self::NotAMember,
            "INVITATION_UNKNOWN" => Self::InvitationUnknown,
            "INVITATION_EXPIRED" => Self::InvitationExpired,
            "INVITATION_USED" => Self::InvitationUsed,
            "INVITATION_REVOKED" => Self::InvitationRevoked,
            "REMOVED" => Self::Removed,
            "SESSION_OF_ANOTHER" => Self::SessionOfAnother,
            "NAME_RESERVED" => Self::NameReserved,
            "OWN_NAME" => Self::OwnName,
            _ => return None,
        })
    }

    /// What follows from it. `reason` is the server's sentence.
    pub(super) fn into_failure(self, reason: &str, retry_in: Option<Duration>) -> JoinFailure {
        match self {
            Self::OwnName => JoinFailure::OwnName(self.words(reason)),
            Self::NameReserved => JoinFailure::Refused {
                reason: self.words(reason),
                retry_in,
            },
            // A new try by the same key would be refused in the same way.
            _ => JoinFailure::Failed(self.words(reason)),
        }
    }

    fn words(self, reason: &str) -> String {
        let next = match self {
            Self::NoKey => {
                return "this chat is for members, and this connection shows no key by which one \
                        is known; enter by a link (`chitty join`)"
                    .to_owned();
            }
            Self::NotAMember => {
                return "this chat is for members; ask for an invitation, which the server's \
                        operator makes by `chitty-server invite`"
                    .to_owned();
            }
            Self::InvitationUnknown => "check that the link is whole, or ask for a new one",
            Self::InvitationUsed => "tell whoever sent it, unless you used it yourself",
            Self::InvitationExpired | Self::InvitationRevoked => "ask for a new one",
            Self::Removed => "ask one of the admins if that is a mistake",
            Self::SessionOfAnother => "start chitty again",
            Self::NameReserved => {
                "if that is you, ask for a link for another device (`chitty-server invite --for \
                 NAME`); otherwise choose another name"
            }
            Self::OwnName => "add the name of this device in brackets, as in ada (laptop)",
        };
        let reason = reason.trim_end().trim_end_matches('.');
        if reason.is_empty() {
            next.to_owned()
        } else if reason.contains("; ") {
            // The server has said what to do.
            reason.to_owned()
        } else {
            format!("{reason}; {next}")
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use tonic::Code;
    use tonic_types::ErrorDetails;

    use super::*;

    fn status(code: Code, domain: &str, reason: &str, message: &str) -> Status {
        let details = ErrorDetails::with_error_info(reason, domain, HashMap::new());
        Status::with_error_details(code, message, details)
    }

    #[test]
    fn each_reason_says_what_to_do() {
        let denied = Code::PermissionDenied;
        for (code, reason, message, part) in [
            (Code::Unauthenticated, "NO_KEY", "no key", "chitty join"),
            (
                denied,
                "NOT_A_MEMBER",
                "not a member",
                "`chitty-server invite`",
            ),
            (
                denied,
                "INVITATION_UNKNOWN",
                "this invitation is unknown here",
                "this invitation is unknown here; check that the link is whole",
            ),
            (
                denied,
                "INVITATION_EXPIRED",
                "this invitation ended on 26 November at 15:00.",
                "this invitation ended on 26 November at 15:00; ask for a new one",
            ),
            (
                denied,
                "INVITATION_USED",
                "this invitation was used at 14:02 by ‘eve’",
                "by ‘eve’; tell whoever sent it",
            ),
            (denied, "INVITATION_REVOKED", "revoked", "ask for a new one"),
            (
                denied,
                "REMOVED",
                "removed by eve: spam",
                "removed by eve: spam; ask",
            ),
            (
                denied,
                "SESSION_OF_ANOTHER",
                "another's",
                "start chitty again",
            ),
        ] {
            let failure = JoinFailure::of(&status(code, DOMAIN, reason, message));
            let JoinFailure::Failed(words) = failure else {
                panic!("{reason}: {failure:?}");
            };
            assert!(words.contains(part), "{words}");
        }
    }

    #[test]
    fn a_name_that_is_taken_for_good_can_be_changed() {
        let failure = |reason| {
            let taken = status(
                Code::AlreadyExists,
                DOMAIN,
                reason,
                "the name is a member's",
            );
            JoinFailure::of(&taken)
        };
        let reserved = failure("NAME_RESERVED");
        assert!(
            matches!(&reserved, JoinFailure::Refused { reason, .. }
                if reason.contains("`chitty-server invite --for")),
            "{reserved:?}"
        );
        let own = failure("OWN_NAME");
        assert!(
            matches!(&own, JoinFailure::OwnName(reason) if reason.contains("ada (laptop)")),
            "{own:?}"
        );
    }

    #[test]
    fn reasons_of_others_and_of_later_versions_are_no_reasons() {
        for (domain, reason) in [("example.org", "REMOVED"), (DOMAIN, "TOO_LATE")] {
            let status = status(Code::PermissionDenied, domain, reason, "no");
            assert_eq!(Refusal::of(&status), None);
            let failure = JoinFailure::of(&status);
            assert!(matches!(failure, JoinFailure::Failed(words) if words.contains("no")));
        }
    }
}
