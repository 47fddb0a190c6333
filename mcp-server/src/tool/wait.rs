//! How long a call may wait for something to happen.

use std::time::Duration;

use tokio::time::Instant;

use crate::changes::Listener;
use crate::refusal::Refusal;

/// Longest wait. With the time to connect and to send it stays below the 60 s after which common MCP clients and proxies give
/// a request up.
pub(super) const SECONDS_MAX: u64 = 40;

/// # Errors
/// Out of range.
pub(super) fn parse(seconds: Option<u64>) -> Result<Option<Duration>, Refusal> {
    match seconds {
        None => Ok(None),
        Some(seconds @ 1..=SECONDS_MAX) => Ok(Some(Duration::from_secs(seconds))),
        Some(_) => Err(Refusal::Arguments(format!("wait_seconds is 1 to {SECONDS_MAX}"))),
    }
}

/// Waits for changes until a time. Made before the first look at what is waited for, so that nothing between the two is missed.
pub(super) struct Patience {
    changes: Listener,
    end: Instant,
}

impl Patience {
    pub(super) fn new(changes: Listener, wait: Duration) -> Self {
        Self { changes, end: Instant::now() + wait }
    }

    /// Whether something has changed before the time was over.
    pub(super) async fn sees_a_change(&mut self) -> bool {
        tokio::time::timeout_at(self.end, self.changes.next()).await.is_ok()
    }
}
