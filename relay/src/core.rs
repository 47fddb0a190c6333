//! The message core: decides, without I/O, what to answer, deliver, store and close for each event.
//!
//! [`Core::step`] takes one [`Event`] and the time and pushes [`Effect`]s; it never waits and never
//! fails. The hub runs it over sockets and SQLite, the simulator over models of both.
//!
//! A recipient is in one of three states. *Offline*: every message goes to its mailbox. *Live*: the
//! mailbox holds nothing that is not in flight; new messages go straight to the connection, and
//! reach the disk only if the recipient does not acknowledge within [`limits::ACK_GRACE`].
//! *Backlog*: the window was full; everything goes to the mailbox and is delivered from there in
//! pages until nothing in it waits. Every change of state first writes what is in flight, in
//! order, so that the messages of one sender keep their order. What the store refuses while it is
//! in flight is in one table, `unstored`, and what has ended while it is in the store in another,
//! `leaving`.
//!
//! `check` states the rules over all structures; the simulator runs it after each step. A branch
//! that these rules exclude is counted in [`CoreStats::broken`].

mod accept;
mod ack_grace;
mod acknowledge;
mod agent;
mod agent_session;
mod agent_table;
mod answers;
#[cfg(test)]
mod check;
mod commits;
mod dedup;
mod delivery_window;
mod digest;
mod effect;
mod event;
mod expiry;
mod ids;
mod leaving;
pub mod limits;
mod mailbox;
mod mailbox_pages;
mod may_send;
mod meter;
mod notices;
mod pending_writes;
mod removal;
mod resend;
mod restore;
mod row;
mod send_error;
mod send_rule;
mod sessions;
mod steady_clock;
mod tenant_budget;
mod unstored;

#[cfg(test)]
mod tests;

use std::collections::VecDeque;

use foldhash::HashMap;
use protocol::did::TenantId;

#[cfg(test)]
pub(crate) use check::ExceededLimits;
pub use daemon::token_bucket::Rate;
pub use digest::digest;
pub use effect::{Counter, Effect, MeterEvent};
pub use event::{AgentRegistry, Event, NewSession, Submission, SubmittedEnvelope};
pub use ids::{AgentSlot, ConnId, RequestId};
pub use limits::CoreLimits;
pub use row::{RestoredRow, RowId, RowKind, RowState, Write, WriteContent, WriteRow};
pub use send_error::SendError;
pub use send_rule::SendRule;

use ack_grace::AckDeadline;
use agent::UndeliveredMessage;
use agent_table::AgentTable;
use dedup::DedupTable;
use expiry::ExpiryQueue;
use leaving::LeavingMessages;
use mailbox_pages::FailedLoad;
use pending_writes::{PendingWrites, StoreState};
use removal::RemovedMailboxes;
use steady_clock::{CoreTime, SteadyClock};
use tenant_budget::{MailboxUsage, TenantBudget};
use unstored::UnstoredMessages;

/// Bits of the epoch counter of one start: 4 billion sessions. Even after 2 million starts an epoch
/// is below 2^53, so every JSON reader represents it exactly.
pub(crate) const EPOCH_BITS: u32 = 32;

/// The current time, the only clock that the core has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// Milliseconds of a monotonic clock, for deadlines.
    pub mono_ms: u64,
    /// Seconds since the Unix epoch by the wall clock, for what outlives the process.
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
    /// How far the wall clock is ahead because it was set while the relay ran.
    pub clock_step_seconds: i64,
    /// Times that something happened which the rules of the core exclude. Each is a bug.
    pub broken: u64,
}

/// The state of message delivery. One owner runs one step at a time.
///
/// Its tables use a fast hash with a random seed. Agents and connections are named by the relay and
/// its administrators; only the ids of messages are chosen by a sender, and each sender has a table
/// of its own for them.
#[derive(Debug)]
pub struct Core {
    limits: CoreLimits,
    agents: AgentTable,
    sessions: HashMap<ConnId, AgentSlot>,
    tenants: HashMap<TenantId, TenantBudget>,
    dedup: DedupTable,
    unstored: UnstoredMessages,
    leaving: LeavingMessages,
    pending_writes: PendingWrites,
    expiry: ExpiryQueue,
    ack_deadlines: VecDeque<AckDeadline>,
    last_epoch: u64,
    clock: SteadyClock,
    held_bytes: usize,
    /// What all mailboxes hold.
    usage: MailboxUsage,
    draining: bool,
    next_prune_ms: u64,
    failed_loads: Vec<FailedLoad>,
    removed: RemovedMailboxes,
    broken_count: u64,
    last_broken: Option<&'static str>,
    /// Agents with accepted sends that were not told yet. An agent is in it once.
    metered: VecDeque<AgentSlot>,
    /// Notices that the store refused. They are written again when the store has recovered.
    unsent_notices: Vec<UndeliveredMessage>,
    /// Mailboxes that lost a notice to a newer one in this step. Others may have waited behind it.
    unblocked: Vec<AgentSlot>,
}

impl Core {
    /// An empty core. `next_row` is above every row of the store. `start` counts the starts on
    /// this store, so that no epoch is assigned twice.
    #[must_use]
    pub fn new(limits: CoreLimits, next_row: RowId, start: u64, now: Now) -> Self {
        Self {
            dedup: DedupTable::new(limits.dedup_entries_max),
            unstored: UnstoredMessages::default(),
            leaving: LeavingMessages::default(),
            limits,
            agents: AgentTable::default(),
            sessions: HashMap::default(),
            tenants: HashMap::default(),
            pending_writes: PendingWrites::new(next_row),
            expiry: ExpiryQueue::default(),
            ack_deadlines: VecDeque::new(),
            last_epoch: start << EPOCH_BITS,
            clock: SteadyClock::new(now),
            held_bytes: 0,
            usage: MailboxUsage::default(),
            draining: false,
            next_prune_ms: now.mono_ms,
            failed_loads: Vec::new(),
            removed: RemovedMailboxes::default(),
            broken_count: 0,
            last_broken: None,
            metered: VecDeque::new(),
            unsent_notices: Vec::new(),
            unblocked: Vec::new(),
        }
    }

    /// Handles one event and pushes the resulting effects in order. The effects of one step must
    /// be carried out before those of the next, as far as they concern the same connection or the
    /// store.
    pub fn step(&mut self, event: Event<'_>, now: Now, registry: &dyn AgentRegistry, out: &mut Vec<Effect>) {
        let now = self.clock.time(now);
        match event {
            Event::Opened(opened) => self.open_session(opened, now, out),
            Event::Closed { conn } => self.close_connection(conn, now, out),
            Event::Sent(submission) => self.accept(&submission, now, registry, out),
            Event::Acked { conn, epoch, seq } => self.acknowledge(conn, epoch, seq, now, out),
            Event::Refused { conn, epoch, seq, reason } => {
                self.refuse_delivery(conn, epoch, seq, reason, now, out);
            }
            Event::Stored { upto } => self.on_rows_stored(upto, now, out),
            Event::Removed { rows } => self.on_rows_removed(&rows, now, out),
            Event::StoreFailed { upto } => self.on_store_failed(upto, now, out),
            Event::StoreFull => self.on_store_full(now, out),
            Event::StoreStalled => self.on_store_stalled(out),
            Event::StoreRecovered => self.on_store_recovered(now, out),
            Event::Loaded { agent, epoch, page } => self.on_page_loaded(agent, epoch, page, now, out),
            Event::LoadFailed { agent, epoch } => self.on_load_failed(agent, epoch, now),
            Event::AgentRemoved { did } => self.remove_agent(did, out),
            Event::TenantRemoved { tenant } => self.remove_tenant(tenant, out),
            Event::Drain => self.drain(now, out),
            Event::Tick => self.tick(now, out),
        }
        for slot in std::mem::take(&mut self.unblocked) {
            self.deliver_backlog(slot, now, out);
        }
    }

    #[must_use]
    pub fn is_online(&self, did: &str) -> bool {
        self.agents.find(did).and_then(|slot| self.agents.session(slot)).is_some()
    }

    /// Whether this connection has its agent's session.
    #[must_use]
    pub fn has_session(&self, conn: ConnId) -> bool {
        let slot = self.sessions.get(&conn);
        slot.and_then(|slot| self.agents.session(*slot)).is_some_and(|session| session.conn == conn)
    }

    /// The number of messages and notices in the agent's mailbox.
    #[must_use]
    pub fn mailbox_rows(&self, did: &str) -> u64 {
        let agent = self.agents.find(did).and_then(|slot| self.agents.agent(slot));
        agent.map_or(0, |agent| agent.rows.len() as u64)
    }

    /// Whether the store refuses messages.
    #[must_use]
    pub fn storage_failed(&self) -> bool {
        self.pending_writes.store != StoreState::Working
    }

    #[must_use]
    pub fn stats(&self) -> CoreStats {
        CoreStats {
            sessions: self.sessions.len(),
            rows: usize::try_from(self.usage.messages).unwrap_or(usize::MAX),
            row_bytes: self.usage.bytes,
            held_bytes: self.held_bytes,
            writing: self.pending_writes.len(),
            remembered: self.dedup.len(),
            clock_step_seconds: self.clock.step_seconds(),
            broken: self.broken_count + self.dedup.lost(),
        }
    }

    /// The last thing that happened although the rules of the core exclude it.
    #[must_use]
    pub const fn last_broken(&self) -> Option<&'static str> {
        self.last_broken
    }

    const fn broken(&mut self, what: &'static str) {
        self.broken_count += 1;
        self.last_broken = Some(what);
    }

    fn tick(&mut self, now: CoreTime, out: &mut Vec<Effect>) {
        if self.clock.notice_step(now) {
            out.push(Effect::Count(Counter::ClockStepped));
        }
        self.persist_overdue(now, out);
        self.drop_removed(now, out);
        self.expire(now, out);
        self.retry_loads(now, out);
        self.dedup.sweep(now.steady_ms);
        self.tell_metered(out);
        if now.mono_ms >= self.next_prune_ms {
            self.next_prune_ms = now.mono_ms.saturating_add(PRUNE_MS);
            out.push(Effect::Write(Write::Forget { accepted_before: remembered_since(now) }));
        }
    }
}

const PRUNE_MS: u64 = limits::PRUNE_INTERVAL.as_secs() * 1000;

/// The Unix second before which accepted ids are forgotten. A wall clock that was set must not
/// forget any early, whichever way it went.
fn remembered_since(now: CoreTime) -> u64 {
    now.unix.min(now.steady_ms / 1000).saturating_sub(protocol::limits::DEDUP_TTL.as_secs())
}
