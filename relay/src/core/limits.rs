//! Limits of one agent, of one tenant, and of the relay as a whole. Values that a client must know
//! are in `protocol::limits`; values that an operator sets are in `config::Limits`.

use std::time::Duration;

use daemon::token_bucket::Rate;
use protocol::frame::SessionLimits;

/// How long a delivered message waits for the recipient's acknowledgement before it is written to
/// disk. A healthy recipient answers in a few milliseconds; the sender waits no longer than this
/// and one commit.
pub const ACK_GRACE: Duration = Duration::from_millis(50);
/// Unacknowledged bytes at which a recipient goes into backlog. Clients are told.
pub const WINDOW_BYTES: usize = protocol::limits::WINDOW_BYTES;
/// Rows of one page read from the mailbox: a quarter of a window, so that reading and
/// acknowledging overlap.
pub const PAGE_ROWS: usize = 64;
/// Sends of one agent without an answer. A client above it does not wait for answers at all.
pub const UNANSWERED_MAX: u32 = protocol::limits::UNANSWERED_SENDS_MAX;
/// Rows that wait for the store: 16 commits of the largest batch, about 50 ms of work.
pub const WRITES_PENDING_MAX: usize = 16_384;
/// `(from, id)` pairs that are remembered. When the oldest is forgotten, only the recipient's own
/// memory recognizes a repetition of it.
pub const DEDUP_ENTRIES_MAX: usize = 1 << 20;
/// Advice to a sender when the relay itself is overloaded.
pub const OVERLOAD_RETRY_INTERVAL: Duration = Duration::from_millis(250);
/// Advice while the store fails or the mailbox is full: a person or the recipient has to act first.
pub const STORAGE_RETRY_INTERVAL: Duration = Duration::from_secs(5);
/// Advice while draining: the next relay needs a moment to be ready.
pub const DRAIN_RETRY_INTERVAL: Duration = Duration::from_secs(1);
/// Envelopes below this size are copied out of the read buffer, so that a small message does not
/// keep a large buffer in memory.
pub const COPY_BELOW_BYTES: usize = 16 * 1024;
/// How often forgotten messages are deleted from the store.
pub const PRUNE_INTERVAL: Duration = Duration::from_secs(600);
/// How long an unread notice is kept for its sender: as long as the longest-lived message.
pub const NOTICE_TTL_SECONDS: u64 = protocol::limits::MAX_TTL_SECONDS;

/// The limits of a core that are not constants.
#[derive(Debug, Clone, PartialEq)]
pub struct CoreLimits {
    /// Messages in one mailbox, those in flight included.
    pub mailbox_messages: u32,
    /// Bytes in one mailbox, those in flight included.
    pub mailbox_bytes: u64,
    pub sender_rate: Rate,
    pub tenant_rate: Rate,
    /// Envelope bytes that the relay keeps in memory for all agents together.
    pub held_bytes_max: usize,
    /// Entries of the deduplication table, [`DEDUP_ENTRIES_MAX`] outside of tests.
    pub dedup_entries_max: usize,
}

impl CoreLimits {
    /// What an agent is told when it registers.
    #[must_use]
    pub fn of_session(&self) -> SessionLimits {
        SessionLimits {
            window_bytes: WINDOW_BYTES as u64,
            unanswered_sends: UNANSWERED_MAX.into(),
            sends_per_second: self.sender_rate.per_second_count(),
            sends_burst: self.sender_rate.burst_count(),
            mailbox_messages: self.mailbox_messages.into(),
            mailbox_bytes: self.mailbox_bytes,
            ..SessionLimits::default()
        }
    }
}
