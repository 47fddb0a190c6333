//! Holds the errors of operations, with what each binding says for them.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::proto_json::FieldViolation;

mod error_kind;

pub use error_kind::{ErrorKind, RpcStatus};

type Cause = Box<dyn std::error::Error + Send + Sync>;

/// Why an operation was refused or failed. The message and the metadata reach the caller; the
/// source does not.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct A2aError {
    kind: ErrorKind,
    message: String,
    metadata: BTreeMap<&'static str, String>,
    violations: Vec<FieldViolation>,
    retry_after: Option<Duration>,
    source: Option<Cause>,
}

impl A2aError {
    /// An error with a sentence for the caller.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            metadata: BTreeMap::new(),
            violations: Vec::new(),
            retry_after: None,
            source: None,
        }
    }

    /// The task does not exist, or not for this caller: both are the same answer.
    #[must_use]
    pub fn task_not_found(task_id: &str) -> Self {
        Self::new(ErrorKind::TaskNotFound, "the task does not exist or is not yours")
            .with_metadata("taskId", task_id)
    }

    /// The agent of the URL does not exist, or may not be reached by this caller.
    #[must_use]
    pub fn agent_not_found() -> Self {
        Self::new(ErrorKind::AgentNotFound, "there is no such agent here")
    }

    /// Something failed on this side. The cause is for the log.
    pub fn internal(attempt: impl Into<String>, source: impl Into<Cause>) -> Self {
        Self { source: Some(source.into()), ..Self::new(ErrorKind::Internal, attempt) }
    }

    /// Adds a fact for the caller, in camelCase.
    #[must_use]
    pub fn with_metadata(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.metadata.insert(name, value.into());
        self
    }

    /// Says when another attempt makes sense.
    #[must_use]
    pub const fn retry_after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait);
        self
    }

    #[must_use]
    pub const fn kind(&self) -> ErrorKind {
        self.kind
    }

    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    #[must_use]
    pub const fn metadata(&self) -> &BTreeMap<&'static str, String> {
        &self.metadata
    }

    #[must_use]
    pub fn violations(&self) -> &[FieldViolation] {
        &self.violations
    }

    #[must_use]
    pub const fn wait_before_retry(&self) -> Option<Duration> {
        self.retry_after
    }
}

impl From<FieldViolation> for A2aError {
    fn from(violation: FieldViolation) -> Self {
        let message = format!("Invalid parameters: {violation}");
        Self { violations: vec![violation], ..Self::new(ErrorKind::InvalidParams, message) }
    }
}
