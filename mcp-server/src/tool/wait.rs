//! How long a call may wait for something to happen.

use std::time::Duration;

use tokio::time::Instant;

use crate::change_feed::ChangeSubscription;
use crate::tool_error::ToolError;

/// Longest wait. With the time to connect and to send it stays below the 60 s after which common MCP clients and proxies give
/// a request up.
pub(super) const MAX_WAIT_TIMEOUT_SECONDS: u64 = 40;

/// # Errors
/// Out of range.
pub(super) fn parse(seconds: Option<u64>) -> Result<Option<Duration>, ToolError> {
    match seconds {
        None => Ok(None),
        Some(seconds @ 1..=MAX_WAIT_TIMEOUT_SECONDS) => Ok(Some(Duration::from_secs(seconds))),
        Some(_) => Err(ToolError::Arguments(format!("wait_seconds is 1 to {MAX_WAIT_TIMEOUT_SECONDS}"))),
    }
}

/// Waits for changes until a time. Made before the first look at what is waited for, so that nothing between the two is missed.
pub(super) struct ChangeWait {
    changes: ChangeSubscription,
    end: Instant,
}

impl ChangeWait {
    pub(super) fn new(changes: ChangeSubscription, wait: Duration) -> Self {
        Self { changes, end: Instant::now() + wait }
    }

    /// Whether something has changed before the time was over.
    pub(super) async fn next_change(&mut self) -> bool {
        tokio::time::timeout_at(self.end, self.changes.next()).await.is_ok()
    }
}
