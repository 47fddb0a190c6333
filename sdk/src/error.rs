//! The error type of the public API, and the text of an error with its causes.
//!
//! Servers use `daemon::error_chain` instead of [`chain`]: the SDK stays free of the crates of
//! servers, and the crate `daemon` depends on no other crate of the workspace.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use protocol::frame::Outcome;
use protocol::quota::Quota;
use protocol::reason::{Reason, Retry};
use protocol::refusal::RefusalReason;
use protocol::{direct::DirectRefusal, envelope::MessageId};

/// A failure of an agent or of one of its calls.
///
/// Its text names the attempt, [`source`](StdError::source) has the cause, and
/// [`advice`](Self::advice) a remedy. [`kind`](Self::kind) is for programs. Cheap to clone. An
/// error never contains keys, tokens or message bodies.
///
/// ```
/// use msg2agent::{Did, Error, ErrorKind};
///
/// let error: Error = "alice".parse::<Did>().unwrap_err().into();
/// assert_eq!(error.kind(), ErrorKind::Config);
/// assert!(error.chain().starts_with("cannot read a DID: "));
/// ```
#[derive(Clone)]
pub struct Error(Arc<Inner>);

struct Inner {
    kind: ErrorKind,
    attempt: String,
    /// The relay's reason, if the kind does not contain it.
    reason: Option<Reason>,
    advice: Option<String>,
    retry_after: Option<Duration>,
    quota: Option<Quota>,
    message: Option<MessageId>,
    /// Whether the relay may have acted on the request.
    may_have_been_sent: bool,
    /// Whether the agent had ended.
    ended: bool,
    /// Why the recipient refused the message, and how a message with this id ended.
    refusal: Option<RefusalReason>,
    outcome: Option<Outcome>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl Inner {
    /// A copy of a shared error, which is its cause.
    fn copy_with_cause(&self, shared: &Error) -> Self {
        let cause = || Box::new(SharedCause(shared.clone())) as Box<dyn StdError + Send + Sync>;
        Self {
            kind: self.kind,
            attempt: self.attempt.clone(),
            reason: self.reason,
            advice: self.advice.clone(),
            retry_after: self.retry_after,
            quota: self.quota,
            message: self.message,
            may_have_been_sent: self.may_have_been_sent,
            ended: self.ended,
            refusal: self.refusal,
            outcome: self.outcome,
            source: self.source.as_ref().map(|_| cause()),
        }
    }
}

/// The kind of a failure. New kinds may be added.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A setting is missing or wrong.
    Config,
    /// The key file cannot be read, written, or trusted.
    KeyFile,
    /// The state folder cannot be used.
    State,
    /// Another process uses the state folder. The error names it.
    InUse,
    /// The relay could not be reached.
    Connect,
    /// The relay rejects the API key. [`Error::reason`] has the relay's reason, if it gave one.
    Unauthorized,
    /// The agent or its tenant is suspended at the relay until an admin lifts the suspension.
    Suspended,
    /// The relay refused the registration.
    Registration(Reason),
    /// The relay refused a request.
    Rejected(Reason),
    /// No answer came in time. A message may or may not have been accepted.
    Timeout,
    /// Too many calls of this agent wait for the same lookup. Nothing was sent.
    Overloaded,
    /// The agent was closed.
    Closed,
    /// A newer session of the same DID replaced this one.
    Replaced,
    /// The other agent's record does not verify.
    Unverified,
    /// The root key of the other agent differs from the pinned one.
    KeyChanged,
    /// The message cannot be built: it is too long, or an option is out of range.
    Message,
    /// A proof cannot be written.
    Proof,
    /// The relay violated the protocol.
    Protocol,
    /// The other agent refused the direct connection, or is not the one that was dialled.
    DirectRefused(DirectRefusal),
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, attempt: impl Into<String>) -> Self {
        let attempt = attempt.into();
        let inner = Inner {
            kind,
            attempt,
            reason: None,
            advice: None,
            retry_after: None,
            quota: None,
            message: None,
            may_have_been_sent: false,
            ended: false,
            refusal: None,
            outcome: None,
            source: None,
        };
        Self(Arc::new(inner))
    }

    pub(crate) fn caused_by(self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.with(|inner| inner.source = Some(source.into()))
    }

    pub(crate) fn with_reason(self, reason: Option<Reason>) -> Self {
        self.with(|inner| inner.reason = reason)
    }

    pub(crate) fn advising(self, advice: impl Into<String>) -> Self {
        self.with(|inner| inner.advice = Some(advice.into()))
    }

    pub(crate) fn retrying_after(self, after: Option<Duration>) -> Self {
        self.with(|inner| inner.retry_after = after)
    }

    pub(crate) fn over(self, quota: Option<Quota>) -> Self {
        self.with(|inner| inner.quota = quota)
    }

    pub(crate) fn about(self, message: MessageId) -> Self {
        self.with(|inner| inner.message = Some(message))
    }

    pub(crate) fn possibly_sent(self, possibly: bool) -> Self {
        self.with(|inner| inner.may_have_been_sent = possibly)
    }

    pub(crate) fn refused_as(self, refusal: Option<RefusalReason>, outcome: Option<Outcome>) -> Self {
        self.with(|inner| (inner.refusal, inner.outcome) = (refusal, outcome))
    }

    /// The error of a later call on an agent that ended with this error.
    pub(crate) fn repeated(&self, attempt: impl Into<String>) -> Self {
        let reason = self.reason();
        Self::new(self.kind(), attempt)
            .with_reason(reason)
            .caused_by(EndedBecause(self.clone()))
            .with(|inner| (inner.ended, inner.advice) = (true, self.advice().map(str::to_owned)))
    }

    /// Changes an error that is not shared yet. A shared one becomes the cause of a new error.
    fn with(mut self, change: impl FnOnce(&mut Inner)) -> Self {
        if Arc::get_mut(&mut self.0).is_none() {
            self = Self(Arc::new(self.0.copy_with_cause(&self)));
        }
        if let Some(inner) = Arc::get_mut(&mut self.0) {
            change(inner);
        }
        self
    }

    /// The kind of failure.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The relay's reason, if it refused the attempt.
    #[must_use]
    pub fn reason(&self) -> Option<Reason> {
        match self.0.kind {
            ErrorKind::Rejected(reason) | ErrorKind::Registration(reason) => Some(reason),
            ErrorKind::Suspended => Some(Reason::Suspended),
            _ => self.0.reason,
        }
    }

    /// How long to wait before the next attempt, if the relay named a time.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }

    /// The limit of the relay that was reached, if that is the reason.
    #[must_use]
    pub fn quota(&self) -> Option<Quota> {
        self.0.quota
    }

    /// A remedy, in one sentence.
    #[must_use]
    pub fn advice(&self) -> Option<&str> {
        self.0.advice.as_deref().or_else(|| self.reason().map(Reason::advice))
    }

    /// The id of the message that could not be sent. A repeated send with the same id is accepted
    /// once; see [`SendOptions::id`](crate::SendOptions::id).
    #[must_use]
    pub fn message_id(&self) -> Option<MessageId> {
        self.0.message
    }

    /// Whether the message, or the effect of the call, may have reached the relay although the call
    /// failed. If not, nothing was sent, and a repetition cannot cause a second message.
    #[must_use]
    pub fn may_have_been_sent(&self) -> bool {
        self.0.may_have_been_sent
    }

    /// Why the recipient refused the message, if the relay's reason is
    /// [`refused`](protocol::Reason::Refused).
    #[must_use]
    pub fn refusal(&self) -> Option<RefusalReason> {
        self.0.refusal
    }

    /// How an earlier message with the same id ended, if the relay's reason is
    /// [`ended`](protocol::Reason::Ended).
    #[must_use]
    pub fn outcome(&self) -> Option<Outcome> {
        self.0.outcome
    }

    #[must_use]
    pub fn is_timeout(&self) -> bool {
        self.0.kind == ErrorKind::Timeout
    }

    #[must_use]
    pub fn is_not_found(&self) -> bool {
        self.reason() == Some(Reason::NotFound)
    }

    #[must_use]
    pub fn is_key_changed(&self) -> bool {
        self.0.kind == ErrorKind::KeyChanged
    }

    /// Whether the agent has ended, so that every further call fails. The kind says why it ended.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.0.ended || matches!(self.0.kind, ErrorKind::Closed | ErrorKind::Replaced | ErrorKind::Suspended)
    }

    /// Whether the same call may succeed later without any change of settings.
    #[must_use]
    pub fn is_temporary(&self) -> bool {
        self.0.retry_after.is_some()
            || matches!(self.0.kind, ErrorKind::Connect | ErrorKind::Timeout | ErrorKind::Overloaded)
            || self.reason().is_some_and(is_transient)
    }

    /// The text and all causes on one line, joined by colons, for logs.
    #[must_use]
    pub fn chain(&self) -> String {
        chain(self)
    }
}

fn is_transient(reason: Reason) -> bool {
    matches!(reason.retry(), Retry::Later | Retry::Reconnected)
}

/// An error and its causes on one line, joined by colons.
#[must_use]
pub fn chain(error: &dyn StdError) -> String {
    chain_texts(error).collect::<Vec<_>>().join(": ")
}

/// The text of an error and of each of its causes, in this order.
pub fn chain_texts(error: &dyn StdError) -> impl Iterator<Item = String> {
    std::iter::successors(Some(error), |&error| error.source()).map(ToString::to_string)
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.attempt)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.0.kind, self.chain())
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|source| source as _)
    }
}

/// The error that ended an agent, as the cause of the failure of a later call.
struct EndedBecause(Error);

impl fmt::Display for EndedBecause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the agent has ended: {}", self.0)
    }
}

impl fmt::Debug for EndedBecause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl StdError for EndedBecause {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source()
    }
}

/// Allows `"did:…".parse()?` in front of a send.
impl From<protocol::did::DidError> for Error {
    fn from(source: protocol::did::DidError) -> Self {
        Self::new(ErrorKind::Config, "cannot read a DID").caused_by(source)
    }
}

/// A shared error as the cause of another: shows the causes of the original without repeating its
/// attempt.
struct SharedCause(Error);

impl fmt::Display for SharedCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.source() {
            Some(cause) => fmt::Display::fmt(cause, f),
            None => f.write_str("it has failed before"),
        }
    }
}

impl fmt::Debug for SharedCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl StdError for SharedCause {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source().and_then(StdError::source)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_later_call_says_why_the_agent_ended() {
        let ended = Error::new(ErrorKind::Unauthorized, "the relay rejects the API key")
            .with_reason(Some(Reason::KeyExpired))
            .caused_by("HTTP 401");
        let error = ended.repeated("cannot send to bob");
        assert_eq!((error.kind(), error.reason()), (ErrorKind::Unauthorized, Some(Reason::KeyExpired)));
        assert!(error.is_closed() && !ended.is_closed());
        let chain = "cannot send to bob: the agent has ended: the relay rejects the API key: HTTP 401";
        assert_eq!(error.chain(), chain);
    }

    #[test]
    fn a_shared_error_keeps_what_it_says_when_it_is_changed() {
        let error = Error::new(ErrorKind::Rejected(Reason::Refused), "cannot send")
            .possibly_sent(true)
            .refused_as(Some(RefusalReason::NotFresh), None);
        let shared = error.clone();
        let id = MessageId::new(1, [0; 10]);
        let changed = shared.about(id);
        assert!(changed.may_have_been_sent() && !Error::new(ErrorKind::Timeout, "x").may_have_been_sent());
        assert_eq!((changed.refusal(), changed.message_id()), (Some(RefusalReason::NotFresh), Some(id)));
    }
}
