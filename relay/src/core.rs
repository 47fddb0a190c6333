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
//! The core has two sides that never call each other. [`SenderSide`] knows rates, remembered ids and
//! the answers that are owed; [`RecipientSide`] knows sessions, windows and mailboxes. A message
//! passes from one to the other as a `Handoff`, and what became of it passes back as a `Verdict`.
//!
//! `check` states the rules over all structures; the simulator runs it after each step. A branch
//! that these rules exclude is counted in [`CoreStats::broken`].

mod accept;
mod ack_grace;
mod acknowledge;
mod agent_mailbox;
mod agent_session;
mod agent_table;
mod answers;
mod broken_rules;
#[cfg(test)]
mod check;
mod commits;
mod dedup;
mod deliver;
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
mod recipient_side;
mod removal;
mod resend;
mod restore;
mod row;
mod send_error;
mod send_rule;
mod sender_budget;
mod sender_side;
mod sessions;
mod slot_map;
mod steady_clock;
mod store_refusals;
mod tenant_budget;
mod unstored;
mod verdict;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use foldhash::HashMap;

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

use agent_table::AgentTable;
use expiry::EXPIRED_PER_TICK_MAX;
use pending_writes::StoreState;
use recipient_side::RecipientSide;
use sender_side::SenderSide;
use steady_clock::{CoreTime, SteadyClock};

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
    agents: AgentTable,
    sessions: HashMap<ConnId, AgentSlot>,
    senders: SenderSide,
    recipients: RecipientSide,
    last_epoch: u64,
    clock: SteadyClock,
    draining: bool,
    next_prune_ms: u64,
}

impl Core {
    /// An empty core. `next_row` is above every row of the store. `start` counts the starts on
    /// this store, so that no epoch is assigned twice.
    #[must_use]
    pub fn new(limits: CoreLimits, next_row: RowId, start: u64, now: Now) -> Self {
        let limits = Arc::new(limits);
        Self {
            agents: AgentTable::default(),
            sessions: HashMap::default(),
            senders: SenderSide::new(Arc::clone(&limits)),
            recipients: RecipientSide::new(limits, next_row),
            last_epoch: start << EPOCH_BITS,
            clock: SteadyClock::new(now),
            draining: false,
            next_prune_ms: now.mono_ms,
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
            Event::Acked { conn, epoch, seq } => {
                if let Some(slot) = self.settling_session(conn, epoch, seq, now, out) {
                    self.recipients.acknowledge(slot, seq, now, out);
                }
            }
            Event::Refused { conn, epoch, seq, reason } => {
                if let Some(slot) = self.settling_session(conn, epoch, seq, now, out) {
                    self.recipients.refuse_delivery(slot, seq, reason, now, out);
                }
            }
            Event::Stored { upto } => self.recipients.on_rows_stored(upto, now, out),
            Event::Removed { rows } => self.recipients.on_rows_removed(&rows),
            Event::StoreFailed { upto } => self.recipients.on_store_failed(upto, now, out),
            Event::StoreFull => {
                self.senders.forget_uncertain();
                self.recipients.on_store_full(now, out);
            }
            Event::StoreStalled => self.recipients.on_store_stalled(),
            Event::StoreRecovered => {
                self.senders.forget_uncertain();
                self.recipients.on_store_recovered(now, out);
            }
            Event::Loaded { agent, epoch, page } => {
                self.recipients.on_page_loaded(agent, epoch, page, now, out);
            }
            Event::LoadFailed { agent, epoch } => self.recipients.on_load_failed(agent, epoch, now),
            Event::AgentRemoved { did } => self.remove_agent(did, now, out),
            Event::TenantRemoved { tenant } => self.remove_tenant(tenant, now, out),
            Event::Drain => self.drain(now, out),
            Event::Tick => self.tick(now, out),
        }
        self.exchange(now, out);
    }

    /// Passes verdicts to the sender's side, and what it hands over to the recipient's, until
    /// neither has anything to say. A handoff yields at most the verdict that a notice was dropped,
    /// and those of the messages that a mailbox writes before the notice.
    fn exchange(&mut self, now: CoreTime, out: &mut Vec<Effect>) {
        loop {
            while let Some(verdict) = self.recipients.verdicts.pop_front() {
                if let Some(handoff) = self.senders.settle(verdict, now, out) {
                    self.recipients.take(handoff, now, out);
                }
            }
            let Some(slot) = self.recipients.unblocked.pop() else { return };
            self.recipients.deliver_backlog(slot, now, out);
        }
    }

    #[must_use]
    pub fn is_online(&self, did: &str) -> bool {
        self.agents.find(did).and_then(|slot| self.recipients.session(slot)).is_some()
    }

    /// Whether this connection has its agent's session.
    #[must_use]
    pub fn has_session(&self, conn: ConnId) -> bool {
        let slot = self.sessions.get(&conn);
        slot.and_then(|slot| self.recipients.session(*slot)).is_some_and(|session| session.conn == conn)
    }

    /// The number of messages and notices in the agent's mailbox.
    #[must_use]
    pub fn mailbox_rows(&self, did: &str) -> u64 {
        let agent = self.agents.find(did).and_then(|slot| self.recipients.mailboxes.get(slot));
        agent.map_or(0, |agent| agent.rows.len() as u64)
    }

    /// Whether the store refuses messages.
    #[must_use]
    pub fn storage_failed(&self) -> bool {
        self.recipients.pending_writes.store != StoreState::Working
    }

    #[must_use]
    pub fn stats(&self) -> CoreStats {
        let Self { senders, recipients, .. } = self;
        CoreStats {
            sessions: self.sessions.len(),
            rows: usize::try_from(recipients.usage.messages).unwrap_or(usize::MAX),
            row_bytes: recipients.usage.bytes,
            held_bytes: recipients.held_bytes,
            writing: recipients.pending_writes.len(),
            remembered: senders.dedup.len(),
            clock_step_seconds: self.clock.step_seconds(),
            broken: senders.broken.count() + recipients.broken.count() + senders.dedup.lost(),
        }
    }

    /// The last thing that happened although the rules of the core exclude it.
    #[must_use]
    pub fn last_broken(&self) -> Option<&'static str> {
        self.recipients.broken.last().or(self.senders.broken.last())
    }

    fn tick(&mut self, now: CoreTime, out: &mut Vec<Effect>) {
        if self.clock.notice_step(now) {
            out.push(Effect::Count(Counter::ClockStepped));
        }
        self.recipients.persist_overdue(now, out);
        self.exchange(now, out);
        self.drop_removed(now, out);
        self.expire(now, out);
        self.recipients.retry_loads(now, out);
        self.senders.dedup.sweep(now.steady_ms);
        self.senders.tell_metered(out);
        if now.mono_ms >= self.next_prune_ms {
            self.next_prune_ms = now.mono_ms.saturating_add(PRUNE_MS);
            out.push(Effect::Write(Write::Forget { accepted_before: remembered_since(now) }));
        }
    }

    /// Expires the next rows, as many as one tick may.
    fn expire(&mut self, now: CoreTime, out: &mut Vec<Effect>) {
        for _ in 0..EXPIRED_PER_TICK_MAX {
            if !self.recipients.expire_next(now, out) {
                return;
            }
            self.exchange(now, out);
        }
    }
}

const PRUNE_MS: u64 = limits::PRUNE_INTERVAL.as_secs() * 1000;

/// The Unix second before which accepted ids are forgotten. A wall clock that was set must not
/// forget any early, whichever way it went.
fn remembered_since(now: CoreTime) -> u64 {
    now.unix.min(now.steady_ms / 1000).saturating_sub(protocol::limits::DEDUP_TTL.as_secs())
}
