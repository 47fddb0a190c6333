//! The one error type of the public API: what was tried, what kind of failure it was, what to do; the cause is its source.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use protocol::Reason;
use protocol::envelope::MessageId;
use protocol::quota::Quota;

/// A failure. Its text says what was tried; [`source`](StdError::source) says why it failed, [`advice`](Self::advice) what to
/// do. Cheap to clone. Never holds keys, tokens or message bodies.
#[derive(Clone)]
pub struct Error(Arc<Inner>);

struct Inner {
    kind: ErrorKind,
    attempt: String,
    /// The relay's word, where the kind holds none.
    reason: Option<Reason>,
    advice: Option<String>,
    retry_after: Option<Duration>,
    quota: Option<Quota>,
    message: Option<MessageId>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

/// What sort of failure it was. New kinds may be added.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A setting is missing or wrong.
    Config,
    /// The key file cannot be read, written, or trusted.
    KeyFile,
    /// The state folder cannot be used, or another process uses it.
    State,
    /// The relay could not be reached.
    Connect,
    /// The relay does not take the API key. [`Error::reason`] says what is wrong with it, when the relay said so.
    Unauthorized,
    /// The agent, or its tenant, is suspended at the relay until an admin there lifts it.
    Suspended,
    /// The relay refused the registration.
    Registration(Reason),
    /// The relay refused a request.
    Rejected(Reason),
    /// The deadline passed; a message may or may not have been taken.
    Timeout,
    /// This agent has as much under way as it may; nothing was sent.
    Overloaded,
    /// The agent was closed.
    Closed,
    /// A newer session of the same DID took over.
    Replaced,
    /// The other agent's record does not verify.
    Unverified,
    /// The other agent shows another root key than before.
    KeyChanged,
    /// The message cannot be built: too long, or a setting out of range.
    Message,
    /// A proof cannot be written.
    Proof,
    /// The relay does not keep to the protocol.
    Protocol,
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
            source: None,
        };
        Self(Arc::new(inner))
    }

    pub(crate) fn caused_by(self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.with(|inner| inner.source = Some(source.into()))
    }

    pub(crate) fn saying(self, reason: Option<Reason>) -> Self {
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

    /// Errors are built before they are shared; a shared one is wrapped as the cause of the new one.
    fn with(mut self, change: impl FnOnce(&mut Inner)) -> Self {
        if Arc::get_mut(&mut self.0).is_none() {
            let mut outer = Self::new(self.0.kind, self.0.attempt.clone())
                .saying(self.0.reason)
                .retrying_after(self.0.retry_after)
                .over(self.0.quota);
            if let Some(advice) = self.advice() {
                outer = outer.advising(advice);
            }
            self = if self.0.source.is_some() { outer.caused_by(Shared(self)) } else { outer };
        }
        if let Some(inner) = Arc::get_mut(&mut self.0) {
            change(inner);
        }
        self
    }

    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The relay's word for a refusal, when it refused.
    #[must_use]
    pub fn reason(&self) -> Option<Reason> {
        match self.0.kind {
            ErrorKind::Rejected(reason) | ErrorKind::Registration(reason) => Some(reason),
            ErrorKind::Suspended => Some(Reason::Suspended),
            _ => self.0.reason,
        }
    }

    /// When the relay asks to try again.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }

    /// The limit of the relay that was met, when it refused because of one.
    #[must_use]
    pub fn quota(&self) -> Option<Quota> {
        self.0.quota
    }

    /// What to do about it, one sentence.
    #[must_use]
    pub fn advice(&self) -> Option<&str> {
        self.0.advice.as_deref().or_else(|| self.reason().map(Reason::advice))
    }

    /// The message it is about. Sent again with the same id it is taken once; see [`crate::SendOptions::id`].
    #[must_use]
    pub fn message_id(&self) -> Option<MessageId> {
        self.0.message
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

    /// Whether the agent is over and every further call will fail alike.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        matches!(self.0.kind, ErrorKind::Closed | ErrorKind::Replaced | ErrorKind::Suspended)
    }

    /// Whether the same call may succeed later without anybody changing anything.
    #[must_use]
    pub fn is_temporary(&self) -> bool {
        self.0.retry_after.is_some()
            || matches!(self.0.kind, ErrorKind::Connect | ErrorKind::Timeout | ErrorKind::Overloaded)
            || self.reason().is_some_and(temporary)
    }

    /// The whole chain in one line, for logs: attempt, then each cause, joined by colons.
    #[must_use]
    pub fn chain(&self) -> String {
        let mut text = self.to_string();
        let mut cause = self.source();
        while let Some(error) = cause {
            text.push_str(": ");
            text.push_str(&error.to_string());
            cause = error.source();
        }
        text
    }
}

fn temporary(reason: Reason) -> bool {
    use Reason::{
        Draining, Internal, MailboxFull, Overloaded, RateLimited, RecipientOffline, StorageUnavailable,
    };
    matches!(
        reason,
        Draining | Internal | MailboxFull | Overloaded | RateLimited | RecipientOffline | StorageUnavailable
    )
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

/// A text that is not a DID, for `"…".parse()?` in front of a send.
impl From<protocol::did::DidError> for Error {
    fn from(source: protocol::did::DidError) -> Self {
        Self::new(ErrorKind::Config, "cannot read a DID").caused_by(source)
    }
}

/// A clone of an error as the cause of another: shows the original's causes, not its attempt a second time.
struct Shared(Error);

impl fmt::Display for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.source() {
            Some(cause) => fmt::Display::fmt(cause, f),
            None => f.write_str("it failed before"),
        }
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl StdError for Shared {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source().and_then(StdError::source)
    }
}
