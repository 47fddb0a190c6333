//! A change on its way to the writer, and what it comes to.

use protocol::Reason;
use tokio::sync::oneshot;

use super::decide::{Operation, Refused};

/// One change, waiting for its answer.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) operation: Operation,
    pub(super) answer: oneshot::Sender<Result<Written, WriteError>>,
}

/// What a change came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Written {
    pub version: u64,
    /// False when it held already.
    pub changed: bool,
}

/// Why a change was not made.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    #[error(transparent)]
    Refused(#[from] Refused),
    /// The writer has logged the cause.
    #[error("the change could not be stored")]
    Store,
    #[error("the relay is shutting down")]
    Closed,
}

impl WriteError {
    #[must_use]
    pub const fn reason(&self) -> Reason {
        match self {
            Self::Refused(refused) => refused.reason(),
            Self::Store => Reason::StorageUnavailable,
            Self::Closed => Reason::Draining,
        }
    }
}
