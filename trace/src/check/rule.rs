//! The rules, by their stable names.

use std::fmt;

macro_rules! rules {
    ($($(#[doc = $doc:literal])+ $rule:ident $name:literal,)+) => {
        /// What the logs can break. The names are stable: scripts may look for them.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Rule {
            $($(#[doc = $doc])+ $rule,)+
        }

        impl Rule {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$rule,)+];

            /// As in reports.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$rule => $name,)+
                }
            }
        }
    };
}

rules! {
    /// A process's clock fell, or stood still at an event.
    ClockNotRising "clock-not-rising",
    /// A process's clock is not what the rules give.
    ClockNotByTheRule "clock-not-by-the-rule",
    /// What is sent carries another time than the clock of its sending.
    SentAtAnotherTime "sent-at-another-time",
    /// A reception is not later than its sending.
    ReceiptNotAfterSending "receipt-not-after-sending",
    /// Broadcasts do not rise along positions.
    TimeNotRising "time-not-rising",
    /// The chat goes on in the last numbers, which are kept for those who leave.
    TimeEnds "time-ends",
    /// A broadcast's time is not what follows from the one before and its request.
    TimeNotByTheFold "time-not-by-the-fold",
    /// The server's clock on receiving a request is not what follows.
    ReceiptNotByTheFold "receipt-not-by-the-fold",
    /// Positions are left out.
    Gap "gap",
    /// A position came twice within a participation.
    Repeat "repeat",
    /// Positions came in another order.
    OutOfOrder "out-of-order",
    /// A position, or a message, was broadcast twice.
    BroadcastTwice "broadcast-twice",
    /// A server came back behind what had been broadcast.
    TakenBack "taken-back",
    /// A request was accepted, and nothing was broadcast.
    AcceptedNotBroadcast "accepted-not-broadcast",
    /// A request was accepted, and not answered.
    NotAnswered "not-answered",
    /// An event has a request behind it that was not received.
    BroadcastWithoutRequest "broadcast-without-request",
    /// A participant's event was broadcast that it did not ask for.
    BroadcastWithoutSending "broadcast-without-sending",
    /// The server received what its client did not send.
    RequestWithoutSending "request-without-sending",
    /// An event, or the receipt of a request, is not as the request was sent.
    RequestDiffers "request-differs",
    /// A retry is not the same request.
    RetryDiffers "retry-differs",
    /// A message was refused for good, and broadcast all the same.
    RefusedYetBroadcast "refused-yet-broadcast",
    /// A reply to nothing.
    ReplyWithoutRequest "reply-without-request",
    /// A reply tells of another event than that of its request.
    ReplyDiffers "reply-differs",
    /// A Welcome that the server did not give.
    WelcomeWithoutGrant "welcome-without-grant",
    /// An acknowledged request has no broadcast.
    AcknowledgedNotBroadcast "acknowledged-not-broadcast",
    /// A reception of what was not sent.
    ReceiptWithoutSending "receipt-without-sending",
    /// Two processes have other events at the same position.
    OrderDiffers "order-differs",
    /// Two processes have one event at other times.
    TimeDiffers "time-differs",
    /// Two processes have other texts of one message.
    TextDiffers "text-differs",
    /// Two processes have other names in one event.
    NameDiffers "name-differs",
    /// Two processes have other ids of one message.
    IdDiffers "id-differs",
    /// Two processes have other `seen` of one message.
    SeenDiffers "seen-differs",
    /// Two processes have another participant, reason or request of one event.
    EventDiffers "event-differs",
    /// A joined or left sentence is not the fixed one with the event's time.
    WrongSentence "wrong-sentence",
    /// An event of a participant who is not present.
    NotPresent "not-present",
    /// An event has another name than its participant.
    WrongName "wrong-name",
    /// Somebody who was present was not told of a joining or leaving.
    NotTold "not-told",
    /// `seen` is not the last position that the author had been shown.
    SeenNotReceived "seen-not-received",
    /// A client resumed from elsewhere than where it was.
    ResumedElsewhere "resumed-elsewhere",
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
