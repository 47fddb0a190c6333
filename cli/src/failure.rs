//! The failure of a command: the attempt, its causes, a remedy, and the exit code.

use std::process::ExitCode;
use std::time::Duration;

use msg2agent::error::chain_texts;
use msg2agent::{Error, ErrorKind, MessageId};
use serde::Serialize;

/// The exit codes, as `m2a --help` lists them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ExitKind {
    Failed = 1,
    Usage = 2,
    Refused = 3,
    TryAgain = 4,
    NotVerified = 5,
    /// A proof is consistent, and nothing vouches for the root keys in it.
    NotAnchored = 6,
}

/// A failure as it is printed. In JSON it is `{"error": {...}}` on standard error.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Failure {
    pub(crate) attempt: String,
    pub(crate) causes: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) advice: Option<Box<str>>,
    /// The relay's reason, if it refused the attempt.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) retry_after_ms: Option<u64>,
    /// The id of the message, which may or may not have been sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) message_id: Option<MessageId>,
    #[serde(skip)]
    pub(crate) exit: ExitKind,
}

impl Failure {
    pub(crate) fn new(exit: ExitKind, attempt: impl Into<String>) -> Self {
        let (attempt, causes) = (attempt.into(), Vec::new());
        Self { attempt, causes, advice: None, reason: None, retry_after_ms: None, message_id: None, exit }
    }

    pub(crate) fn usage(attempt: impl Into<String>, advice: impl Into<String>) -> Self {
        Self::new(ExitKind::Usage, attempt).advising(advice)
    }

    pub(crate) fn io(attempt: impl Into<String>, cause: std::io::Error) -> Self {
        Self::new(ExitKind::Failed, attempt).caused_by(&cause)
    }

    /// The end of a command whose results cannot be printed. It is no failure that whoever reads
    /// them has seen enough.
    pub(crate) fn not_printed(cause: std::io::Error) -> Result<(), Self> {
        if cause.kind() == std::io::ErrorKind::BrokenPipe {
            return Ok(());
        }
        let failure = Self::io("cannot print a message", cause);
        Err(failure.advising("the message is not acknowledged, and comes again"))
    }

    pub(crate) fn caused_by(mut self, cause: &dyn std::error::Error) -> Self {
        self.causes.extend(chain_texts(cause));
        self
    }

    pub(crate) fn advising(mut self, advice: impl Into<String>) -> Self {
        self.advice = Some(advice.into().into_boxed_str());
        self
    }

    pub(crate) fn code(&self) -> ExitCode {
        ExitCode::from(self.exit as u8)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let mut failure = Self::new(exit_kind(&error), error.to_string());
        if let Some(cause) = std::error::Error::source(&error) {
            failure = failure.caused_by(cause);
        }
        failure.advice = error.advice().map(Box::from);
        failure.reason = error.reason().map(protocol::Reason::as_str);
        failure.retry_after_ms = error.retry_after().map(milliseconds);
        failure.message_id = error.message_id();
        failure
    }
}

fn exit_kind(error: &Error) -> ExitKind {
    match error.kind() {
        _ if error.is_temporary() => ExitKind::TryAgain,
        ErrorKind::Unauthorized
        | ErrorKind::Suspended
        | ErrorKind::Registration(_)
        | ErrorKind::Rejected(_) => ExitKind::Refused,
        ErrorKind::KeyChanged | ErrorKind::Unverified => ExitKind::NotVerified,
        _ => ExitKind::Failed,
    }
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
