//! The rules that logs can break, with their stable names.

use std::fmt;

macro_rules! rules {
    ($($(#[doc = $doc:literal])+ $rule:ident $name:literal,)+) => {
        /// A rule that logs can break. The names are stable, since scripts may search for them.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Rule {
            $($(#[doc = $doc])+ $rule,)+
        }

        impl Rule {
            /// All rules, in the order of their definition.
            pub const ALL: &[Self] = &[$(Self::$rule,)+];

            /// The rule's name in reports.
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
    /// A process's clock is not the number that the rules give.
    ClockNotByTheRule "clock-not-by-the-rule",
    /// A message carries another time than its sender's clock at the sending.
    SentAtAnotherTime "sent-at-another-time",
    /// A reception is not later than its sending.
    ReceiptNotAfterSending "receipt-not-after-sending",
    /// The times of broadcasts do not rise along positions.
    TimeNotRising "time-not-rising",
    /// A participant joins or writes at one of the last times, which are reserved for leaving.
    TimeEnds "time-ends",
    /// A broadcast's time does not follow from the one before and its request.
    TimeNotByTheFold "time-not-by-the-fold",
    /// The server's clock on receipt of a request does not follow from the event before.
    ReceiptNotByTheFold "receipt-not-by-the-fold",
    /// Positions are missing between two lines of a log.
    Gap "gap",
    /// A position came twice within a participation.
    Repeat "repeat",
    /// Positions came in another order.
    OutOfOrder "out-of-order",
    /// A position, or a message, was broadcast twice.
    BroadcastTwice "broadcast-twice",
    /// A server started at an earlier position than it had broadcast before.
    TakenBack "taken-back",
    /// A request was accepted, but no event was broadcast.
    AcceptedNotBroadcast "accepted-not-broadcast",
    /// A request was accepted, but not answered.
    NotAnswered "not-answered",
    /// An event has a request that the server did not receive.
    BroadcastWithoutRequest "broadcast-without-request",
    /// An event was broadcast that its participant did not request.
    BroadcastWithoutSending "broadcast-without-sending",
    /// The server received a request that its client did not send.
    RequestWithoutSending "request-without-sending",
    /// An event, or the receipt of a request, differs from the request that was sent.
    RequestDiffers "request-differs",
    /// A retry differs from the first request.
    RetryDiffers "retry-differs",
    /// A message was finally refused, but broadcast all the same.
    RefusedYetBroadcast "refused-yet-broadcast",
    /// A reply has no request.
    ReplyWithoutRequest "reply-without-request",
    /// A reply is about another event than that of its request.
    ReplyDiffers "reply-differs",
    /// A client received a Welcome that the server did not grant.
    WelcomeWithoutGrant "welcome-without-grant",
    /// An acknowledged request has no broadcast.
    AcknowledgedNotBroadcast "acknowledged-not-broadcast",
    /// A client received an event that was not broadcast.
    ReceiptWithoutSending "receipt-without-sending",
    /// Two processes have different events at one position.
    OrderDiffers "order-differs",
    /// Two processes have different times of one event.
    TimeDiffers "time-differs",
    /// Two processes have different texts of one message.
    TextDiffers "text-differs",
    /// Two processes have different names in one event.
    NameDiffers "name-differs",
    /// Two processes have different ids of one message.
    IdDiffers "id-differs",
    /// Two processes have different values of `seen` of one message.
    SeenDiffers "seen-differs",
    /// Two processes have different participants, reasons or requests of one event.
    EventDiffers "event-differs",
    /// The sentence of a Joined or Left is not the fixed one with the event's time.
    WrongSentence "wrong-sentence",
    /// An event is of a participant who is not present.
    NotPresent "not-present",
    /// An event has another name than its participant joined under.
    WrongName "wrong-name",
    /// A participant who was present did not receive a Joined or Left.
    NotTold "not-told",
    /// `seen` is not the last position that the author had received.
    SeenNotReceived "seen-not-received",
    /// A client resumed from another position than its last one.
    ResumedElsewhere "resumed-elsewhere",
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
