//! The message core: decides, without I/O, what to answer, deliver, store and close for each event.
//!
//! [`Core::step`] takes one [`Event`] and the time and pushes [`Effect`]s; it never waits and never
//! fails. The hub runs it over sockets and SQLite, the simulator over models of both.
//!
//! A recipient is in one of three states. *Offline*: every message goes to its mailbox. *Live*: the
//! mailbox holds nothing that is not in flight; new messages go straight to the connection, and
//! reach the disk only if the recipient does not acknowledge within [`limits::ACK_GRACE`].
//! *Backlog*: the window was full; everything goes to the mailbox and is delivered from there in
//! pages until the mailbox is empty. Every change of state first writes what is in flight, in
//! order, so that the messages of one sender keep their order.

mod accept;
mod ack_grace;
mod acknowledge;
mod agent;
mod agent_table;
mod answers;
mod commits;
mod dedup;
mod delivery_window;
mod digest;
mod effect;
mod event;
mod expiry;
mod ids;
pub mod limits;
mod mailbox;
mod mailbox_pages;
mod pending_writes;
mod removal;
mod resend;
mod restore;
mod row;
mod sessions;

#[cfg(test)]
mod tests;

use std::collections::{HashMap, VecDeque};

use daemon::token_bucket::TokenBucket;
use protocol::did::TenantId;

pub use daemon::token_bucket::Rate;
pub use effect::{Counter, Effect};
pub use event::{AgentRegistry, Event, NewSession, Submission};
pub use ids::{AgentSlot, ConnId, RequestId};
pub use limits::CoreLimits;
pub use row::{RestoredRow, RowId, RowKind, Write, WriteContent, WriteRow};

use ack_grace::AckDeadline;
use agent::UndeliveredMessage;
use agent_table::AgentTable;
use dedup::DedupTable;
use expiry::ExpiryQueue;
use pending_writes::PendingWrites;

/// Bits of the epoch counter of one start: 4 billion sessions. Even after 2 million starts an epoch
/// is below 2^53, so every JSON reader represents it exactly.
const EPOCH_BITS: u32 = 32;

/// The current time, the only clock that the core has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// Milliseconds of a monotonic clock, for deadlines.
    pub mono_ms: u64,
    /// Seconds since the Unix epoch, for what outlives the process.
    pub unix: u64,
}

/// Counts for readiness, metrics and tests.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CoreStats {
    pub sessions: usize,
    pub rows: usize,
    pub row_bytes: u64,
    /// Envelope bytes in memory that are unacknowledged or being written.
    pub held_bytes: usize,
    /// Rows that were handed to the store and are not committed yet.
    pub writing: usize,
    /// Entries of the deduplication table.
    pub remembered: usize,
}

/// The state of message delivery. One owner runs one step at a time.
#[derive(Debug)]
pub struct Core {
    limits: CoreLimits,
    agents: AgentTable,
    sessions: HashMap<ConnId, AgentSlot>,
    tenants: HashMap<TenantId, TokenBucket>,
    dedup: DedupTable,
    pending_writes: PendingWrites,
    expiry: ExpiryQueue,
    ack_deadlines: VecDeque<AckDeadline>,
    last_epoch: u64,
    held_bytes: usize,
    row_count: usize,
    row_bytes: u64,
    draining: bool,
    next_prune: u64,
    /// Mailboxes whose last page could not be read.
    failed_loads: Vec<AgentSlot>,
    /// Notices that the store refused. They are written again when the store has recovered.
    unsent_notices: Vec<UndeliveredMessage>,
}

impl Core {
    /// An empty core. `next_row` is above every row of the store. `start` counts the starts on
    /// this store, so that no epoch is assigned twice.
    #[must_use]
    pub fn new(limits: CoreLimits, next_row: RowId, start: u64) -> Self {
        Self {
            dedup: DedupTable::new(limits.dedup_entries_max),
            limits,
            agents: AgentTable::default(),
            sessions: HashMap::new(),
            tenants: HashMap::new(),
            pending_writes: PendingWrites::new(next_row),
            expiry: ExpiryQueue::default(),
            ack_deadlines: VecDeque::new(),
            last_epoch: start << EPOCH_BITS,
            held_bytes: 0,
            row_count: 0,
            row_bytes: 0,
            draining: false,
            next_prune: 0,
            failed_loads: Vec::new(),
            unsent_notices: Vec::new(),
        }
    }

    /// Handles one event and pushes the resulting effects in order. The effects of one step must
    /// be carried out before those of the next, as far as they concern the same connection or the
    /// store.
    pub fn step(&mut self, event: Event<'_>, now: Now, registry: &dyn AgentRegistry, out: &mut Vec<Effect>) {
        match event {
            Event::Opened(opened) => self.open_session(opened, now, out),
            Event::Closed { conn } => self.close_connection(conn, now, out),
            Event::Sent(submission) => self.accept(&submission, now, registry, out),
            Event::Acked { conn, epoch, seq } => self.acknowledge(conn, epoch, seq, now, out),
            // No relay announces this feature before the core has it.
            Event::Refused { .. } => {}
            Event::Stored { upto } => self.on_rows_stored(upto, out),
            Event::StoreFailed { upto } => self.on_store_failed(upto, out),
            Event::StoreRecovered => self.on_store_recovered(now, out),
            Event::Loaded { agent, epoch, page } => self.on_page_loaded(agent, epoch, page, now, out),
            Event::LoadFailed { agent, epoch } => self.on_load_failed(agent, epoch),
            Event::AgentRemoved { did } => self.remove_agent(did, now, out),
            Event::TenantRemoved { tenant } => self.remove_tenant(tenant, now, out),
            Event::Drain => self.drain(now, out),
            Event::Tick => self.tick(now, out),
        }
    }

    #[must_use]
    pub fn is_online(&self, did: &str) -> bool {
        self.agents.find(did).and_then(|slot| self.agents.session(slot)).is_some()
    }

    /// The number of messages and notices in the agent's mailbox.
    #[must_use]
    pub fn mailbox_rows(&self, did: &str) -> u64 {
        let agent = self.agents.find(did).and_then(|slot| self.agents.agent(slot));
        agent.map_or(0, |agent| agent.rows.len() as u64)
    }

    /// Whether the last write to the store failed.
    #[must_use]
    pub const fn storage_failed(&self) -> bool {
        self.pending_writes.failed()
    }

    #[must_use]
    pub fn stats(&self) -> CoreStats {
        CoreStats {
            sessions: self.sessions.len(),
            rows: self.row_count,
            row_bytes: self.row_bytes,
            held_bytes: self.held_bytes,
            writing: self.pending_writes.len(),
            remembered: self.dedup.len(),
        }
    }

    fn tick(&mut self, now: Now, out: &mut Vec<Effect>) {
        self.persist_overdue(now, out);
        self.expire(now, out);
        self.retry_loads(out);
        if now.unix >= self.next_prune {
            self.next_prune = now.unix + limits::PRUNE_INTERVAL.as_secs();
            out.push(Effect::Write(Write::Forget {
                accepted_before: now.unix.saturating_sub(protocol::limits::DEDUP_TTL.as_secs()),
            }));
        }
    }
}
