//! Limits of one agent, of one tenant, and of the relay as a whole. Values that a client must know
//! are in `protocol::limits`; values that an operator sets are in `config::Limits`.

use std::time::Duration;

use daemon::token_bucket::Rate;
use protocol::frame::SessionLimits;

/// How long a delivered message waits for the recipient's acknowledgement before it is written to
/// disk. A healthy recipient answers in a few milliseconds; the sender waits no longer than this
/// and one commit.
pub const ACK_GRACE: Duration = Duration::from_millis(50);
/// Rows of one page read from the mailbox: a quarter of a window, so that reading and
/// acknowledging overlap.
pub const PAGE_ROWS: usize = 64;
/// Rows that wait for the store: 16 commits of the largest batch. A tenant has at most as many as
/// are still free, alone half of them.
pub const WRITES_PENDING_MAX: usize = 16_384;
/// `(from, id)` pairs that are remembered, at most 100 MB. Senders have equal shares of them. When
/// one is forgotten, only the recipient's own memory recognizes a repetition of it.
pub const DEDUP_ENTRIES_MAX: usize = 1 << 20;
/// Advice to a sender when the relay itself is overloaded.
pub const OVERLOAD_RETRY_INTERVAL: Duration = Duration::from_millis(250);
/// Advice while the store fails or the mailbox is full: a person or the recipient has to act first.
pub const STORAGE_RETRY_INTERVAL: Duration = Duration::from_secs(5);
/// Advice while draining: the next relay needs a moment to be ready.
pub const DRAIN_RETRY_INTERVAL: Duration = Duration::from_secs(1);
/// How often forgotten messages are deleted from the store.
pub const PRUNE_INTERVAL: Duration = Duration::from_secs(600);
/// How long an unread notice is kept for its sender: as long as the longest-lived message.
pub const NOTICE_TTL_SECONDS: u64 = protocol::limits::MAX_TTL_SECONDS;

/// Part of the relay's rows and bytes (one in this number) that is kept for tenants that hold less
/// than their equal part of it: a tenant that starts after others have filled the relay can send.
pub const RESERVED_PART: u64 = 8;
/// Between two attempts to read a page of a mailbox; it doubles with each attempt that fails.
pub const LOAD_RETRY_MIN_INTERVAL: Duration = Duration::from_millis(50);
/// The longest pause between two attempts to read a page of a mailbox: a disk that was repaired is
/// noticed within this time.
pub const LOAD_RETRY_MAX_INTERVAL: Duration = Duration::from_secs(5);
/// A wall clock that moved by more than this against the monotonic clock was set. Clocks that are
/// only corrected move by less.
pub const CLOCK_STEP_GRACE_SECONDS: u64 = 60;
/// Rows of removed agents that leave in one tick. The rest waits for the next tick, so that no
/// agent waits long for the lock.
pub const REMOVED_PER_TICK_MAX: usize = 512;

/// Agents whose accepted sends are told in one tick. The rest waits for the next tick, so that no
/// agent waits long for the lock.
pub const METERED_PER_TICK_MAX: usize = 512;

/// The limits of a core that are not constants.
#[derive(Debug, Clone, PartialEq)]
pub struct CoreLimits {
    /// Messages in one mailbox, those in flight included.
    pub mailbox_messages: u32,
    /// Bytes in one mailbox, those in flight included.
    pub mailbox_bytes: u64,
    /// Notices in one mailbox. Beyond it the oldest is dropped and counted.
    pub mailbox_notices: usize,
    /// Messages and notices in all mailboxes of one tenant.
    pub tenant_messages: u64,
    /// Bytes in all mailboxes of one tenant.
    pub tenant_bytes: u64,
    /// Messages and notices in all mailboxes.
    pub relay_messages: u64,
    /// Bytes in all mailboxes.
    pub relay_bytes: u64,
    pub sender_rate: Rate,
    pub tenant_rate: Rate,
    /// Envelope bytes that the relay keeps in memory for all agents together.
    pub held_bytes_max: usize,
    /// Entries of the deduplication table, [`DEDUP_ENTRIES_MAX`] outside of tests.
    pub dedup_entries_max: usize,
    /// Unacknowledged deliveries at which a recipient goes into backlog.
    pub window_messages: u64,
    /// Unacknowledged bytes at which a recipient goes into backlog.
    pub window_bytes: usize,
    /// Rows of one page, [`PAGE_ROWS`] outside of tests.
    pub page_rows: usize,
    /// Sends of one agent that wait for their answer.
    pub unanswered_sends: u32,
    /// Rows that wait for the store, [`WRITES_PENDING_MAX`] outside of tests.
    pub writes_pending: usize,
}

impl CoreLimits {
    /// What an agent is told when it registers.
    #[must_use]
    pub fn of_session(&self) -> SessionLimits {
        SessionLimits {
            window_messages: self.window_messages,
            window_bytes: self.window_bytes as u64,
            unanswered_sends: self.unanswered_sends.into(),
            sends_per_second: self.sender_rate.per_second_count(),
            sends_burst: self.sender_rate.burst_count(),
            mailbox_messages: self.mailbox_messages.into(),
            mailbox_bytes: self.mailbox_bytes,
            ..SessionLimits::default()
        }
    }
}
