//! The relay's decisions, without I/O: what to answer, deliver, store and close for each thing that happens.
//!
//! [`Core::step`] takes one [`Event`] and the time and pushes [`Effect`]s; it never waits and never fails. The hub runs it
//! over sockets and SQLite, the simulator over models of both.
//!
//! One recipient is in one of three states. *Offline*: every message goes to its mailbox. *Live*: the mailbox holds nothing
//! that is not in flight, new messages go straight to the connection and reach the disk only when the recipient does not
//! acknowledge within [`limits::ACK_GRACE`]. *Backlog*: the connection could not take more; everything goes to the mailbox
//! and is served from there in pages until it is empty. Every change of state writes what is in flight first, in order,
//! so that messages of one sender keep their order.

mod accept;
mod acknowledge;
mod agent;
mod backlog;
mod digest;
mod effect;
mod event;
mod expiry;
mod journal;
mod ledger;
pub mod limits;
mod removal;
mod roster;
mod sessions;
mod window;

#[cfg(test)]
mod tests;

use std::collections::HashMap;

use protocol::did::TenantId;

pub use agent::Kind;
pub use daemon::token_bucket::Rate;
pub(crate) use daemon::token_bucket::TokenBucket;
pub use effect::{Effect, Tally, Write, WriteContent, WriteRow};
pub use event::{ConnId, Event, KnownAgents, Opened, RequestId, RestoredRow, Submission};
pub use limits::Limits;
pub use roster::AgentKey;

use expiry::Expiry;
use journal::Journal;
use ledger::Ledger;
use roster::Roster;

/// Number of a mailbox row. Counts up over the whole life of the store; the order of rows is the order of messages.
pub type RowId = u64;

/// Sessions of one start before epochs of the next are reached: 4 billion. With 2 million starts an epoch is still exact in
/// a JSON number of any reader (below 2^53).
const EPOCH_BITS: u32 = 32;

/// What the clock says. The core asks nobody else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// Milliseconds on a clock that never steps, for deadlines.
    pub mono_ms: u64,
    /// Seconds since the Unix epoch, for what outlives the process.
    pub unix: u64,
}

/// Counts for readiness, metrics and tests.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Census {
    pub sessions: usize,
    pub rows: usize,
    pub row_bytes: u64,
    /// Envelope bytes in memory: unacknowledged or on their way to the disk.
    pub held_bytes: usize,
    /// Rows handed to the store and not yet committed.
    pub writing: usize,
    pub remembered: usize,
}

/// The state of the relay. One owner, one step at a time.
#[derive(Debug)]
pub struct Core {
    limits: Limits,
    roster: Roster,
    sessions: HashMap<ConnId, AgentKey>,
    tenants: HashMap<TenantId, TokenBucket>,
    ledger: Ledger,
    journal: Journal,
    expiry: Expiry,
    grace: std::collections::VecDeque<sessions::Due>,
    last_epoch: u64,
    held_bytes: usize,
    row_count: usize,
    row_bytes: u64,
    draining: bool,
    next_prune: u64,
    /// Mailboxes whose last page could not be read.
    failed_loads: Vec<AgentKey>,
    /// Ends of messages whose notice the store refused; written again when it has recovered.
    untold: Vec<agent::Ending>,
}

impl Core {
    /// An empty core. `next_row` is above every row of the store; `start` counts the starts on this store, so that an epoch
    /// is never given twice.
    #[must_use]
    pub fn new(limits: Limits, next_row: RowId, start: u64) -> Self {
        Self {
            ledger: Ledger::new(limits.dedup_entries_max),
            limits,
            roster: Roster::default(),
            sessions: HashMap::new(),
            tenants: HashMap::new(),
            journal: Journal::new(next_row),
            expiry: Expiry::default(),
            grace: std::collections::VecDeque::new(),
            last_epoch: start << EPOCH_BITS,
            held_bytes: 0,
            row_count: 0,
            row_bytes: 0,
            draining: false,
            next_prune: 0,
            failed_loads: Vec::new(),
            untold: Vec::new(),
        }
    }

    /// Takes one event and pushes what has to be done, in order. Effects of one step must be carried out before those of the
    /// next, as far as they concern the same connection or the store.
    pub fn step(&mut self, event: Event<'_>, now: Now, known: &dyn KnownAgents, out: &mut Vec<Effect>) {
        match event {
            Event::Opened(opened) => self.open(opened, now, out),
            Event::Closed { conn } => self.close(conn, now, out),
            Event::Sent(submission) => self.accept(&submission, now, known, out),
            Event::Acked { conn, epoch, seq } => self.acknowledge(conn, epoch, seq, now, out),
            Event::Stored { upto } => self.stored(upto, out),
            Event::StoreFailed { upto } => self.store_failed(upto, out),
            Event::StoreRecovered => self.store_recovered(now, out),
            Event::Loaded { agent, epoch, page } => self.loaded(agent, epoch, page, now, out),
            Event::LoadFailed { agent, epoch } => self.load_failed(agent, epoch),
            Event::Removed { did } => self.remove_agent(did, now, out),
            Event::TenantRemoved { tenant } => self.remove_tenant(tenant, now, out),
            Event::Drain => self.drain(now, out),
            Event::Tick => self.tick(now, out),
        }
    }

    #[must_use]
    pub fn is_online(&self, did: &str) -> bool {
        self.roster.find(did).and_then(|key| self.roster.agent(key)).is_some_and(|a| a.session.is_some())
    }

    /// Messages and notices in the agent's mailbox.
    #[must_use]
    pub fn mailbox_rows(&self, did: &str) -> u64 {
        let agent = self.roster.find(did).and_then(|key| self.roster.agent(key));
        agent.map_or(0, |agent| agent.rows.len() as u64)
    }

    /// Whether the last write to the store failed.
    #[must_use]
    pub const fn storage_failed(&self) -> bool {
        self.journal.failed()
    }

    #[must_use]
    pub fn census(&self) -> Census {
        Census {
            sessions: self.sessions.len(),
            rows: self.row_count,
            row_bytes: self.row_bytes,
            held_bytes: self.held_bytes,
            writing: self.journal.pending(),
            remembered: self.ledger.len(),
        }
    }

    fn tick(&mut self, now: Now, out: &mut Vec<Effect>) {
        self.end_grace(now, out);
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
