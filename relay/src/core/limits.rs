//! What one agent, one tenant and the whole relay may use. Values a client must know are in `protocol::limits`.

use std::time::Duration;

use daemon::token_bucket::Rate;

/// How long a delivered message may wait for the recipient's acknowledgement before it is written to the disk. A healthy
/// recipient answers in a few milliseconds; the sender waits no longer than this and one commit.
pub const ACK_GRACE: Duration = Duration::from_millis(50);
/// Unacknowledged bytes at which a recipient goes into backlog: 256 messages of 4 KiB, one frame of the largest size.
pub const WINDOW_BYTES: usize = 1 << 20;
/// Rows of one page read from the mailbox: a quarter of a window, so that reading and acknowledging overlap.
pub const PAGE_ROWS: usize = 64;
/// Sends of one agent without an answer; above it a client is not waiting for answers at all.
pub const UNANSWERED_MAX: u32 = 4096;
/// Rows waiting for the store. 16 commits of the largest batch, about 50 ms of work.
pub const WRITES_PENDING_MAX: usize = 16_384;
/// Advice to a sender when the relay itself is short of something.
pub const OVERLOAD_RETRY: Duration = Duration::from_millis(250);
/// Advice while the store does not work or the mailbox is full: a person or a reader has to act first.
pub const STORAGE_RETRY: Duration = Duration::from_secs(5);
/// Advice while draining: the next relay needs a moment to be ready.
pub const DRAIN_RETRY: Duration = Duration::from_secs(1);
/// Payloads below this are copied out of the read buffer, so that a small message does not pin a large buffer.
pub const COPY_BELOW: usize = 16 * 1024;
/// How often forgotten messages are deleted from the store.
pub const PRUNE_INTERVAL: Duration = Duration::from_secs(600);
/// How long an unread notice is kept for its sender.
pub const NOTICE_TTL_SECS: u64 = protocol::limits::MAX_TTL_SECONDS;

/// The settings of a core.
#[derive(Debug, Clone, PartialEq)]
pub struct Limits {
    /// Messages one mailbox holds, those in flight included.
    pub mailbox_messages: u32,
    /// Bytes one mailbox holds, those in flight included.
    pub mailbox_bytes: u64,
    pub sender_rate: Rate,
    pub tenant_rate: Rate,
    /// Envelope bytes the relay keeps in memory for all agents together.
    pub held_bytes_max: usize,
    /// `(from, id)` pairs remembered. The oldest goes first; then only the recipient's own memory catches a repetition.
    pub dedup_entries_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            mailbox_messages: 10_000,
            mailbox_bytes: 64 << 20,
            sender_rate: Rate { per_second: 1_000.0, burst: 2_000.0 },
            tenant_rate: Rate { per_second: 10_000.0, burst: 20_000.0 },
            held_bytes_max: 256 << 20,
            dedup_entries_max: 1 << 20,
        }
    }
}
