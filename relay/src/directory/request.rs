//! A change that waits for the writer, and its result.

use protocol::Reason;
use protocol::quota::Quota;
use tokio::sync::oneshot;

use super::decide::{Operation, OperationError};

pub(super) type WriteResult = Result<Written, WriteError>;

/// Changes that wait for their answer. They are committed together.
#[derive(Debug)]
pub(super) struct WriteRequest {
    pub(super) operations: Vec<Operation>,
    /// Gets one result for each operation, in their order.
    pub(super) answer: oneshot::Sender<Vec<WriteResult>>,
}

/// The result of a change that was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Written {
    pub version: u64,
    /// False if the state was as requested before.
    pub changed: bool,
    /// Why the MCP endpoint was not taken, if the rest of the change was made.
    pub endpoint: Option<Reason>,
}

/// Why a change was not made.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    #[error(transparent)]
    Operation(#[from] OperationError),
    /// The writer logs the cause.
    #[error("the change could not be stored")]
    Store,
    #[error("the relay is shutting down")]
    Closed,
}

impl WriteError {
    #[must_use]
    pub const fn reason(&self) -> Reason {
        match self {
            Self::Operation(error) => error.reason(),
            Self::Store => Reason::StorageUnavailable,
            Self::Closed => Reason::Draining,
        }
    }

    /// The limit that the change met.
    #[must_use]
    pub const fn quota(&self) -> Option<Quota> {
        match self {
            Self::Operation(error) => error.quota(),
            Self::Store | Self::Closed => None,
        }
    }
}
