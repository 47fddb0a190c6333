//! Waits of a bounded time for a change of the inbox or of a task.

use std::time::Duration;

use tokio::time::Instant;

use crate::change_feed::ChangeSubscription;
use crate::tool_error::ToolError;

/// The longest wait. With the time to connect and to send it stays below the 60 s after which
/// common MCP clients and proxies give up.
pub(super) const MAX_WAIT_TIMEOUT_SECONDS: u64 = 40;

/// # Errors
/// The time is out of range.
pub(super) fn parse_seconds(seconds: Option<u64>) -> Result<Option<Duration>, ToolError> {
    match seconds {
        None => Ok(None),
        Some(seconds @ 1..=MAX_WAIT_TIMEOUT_SECONDS) => Ok(Some(Duration::from_secs(seconds))),
        Some(_) => Err(ToolError::Arguments(format!("wait_seconds must be 1 to {MAX_WAIT_TIMEOUT_SECONDS}"))),
    }
}

/// Waits for changes until a deadline. Create it before the first look at the data, so that no
/// change in between is missed.
pub(super) struct ChangeWait {
    changes: ChangeSubscription,
    deadline: Instant,
}

impl ChangeWait {
    pub(super) fn new(changes: ChangeSubscription, wait: Duration) -> Self {
        Self { changes, deadline: Instant::now() + wait }
    }

    /// Whether something changed before the deadline.
    pub(super) async fn next_change(&mut self) -> bool {
        tokio::time::timeout_at(self.deadline, self.changes.next()).await.is_ok()
    }
}
