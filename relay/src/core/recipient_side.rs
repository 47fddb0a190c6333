//! The recipient's side of the core: sessions, delivery windows, mailboxes, and the rows that wait
//! for the store.
//!
//! It takes messages that the sender's side hands over, and says in [`Verdict`]s what became of
//! them.

use std::collections::VecDeque;
use std::sync::Arc;

use foldhash::HashMap;
use protocol::did::TenantId;

use super::ack_grace::AckDeadline;
use super::agent_mailbox::{AgentMailbox, UndeliveredMessage};
use super::agent_session::AgentSession;
use super::agent_table::Agent;
use super::broken_rules::BrokenRules;
use super::expiry::ExpiryQueue;
use super::leaving::LeavingMessages;
use super::mailbox_pages::FailedLoad;
use super::pending_writes::{PendingWrites, StoreHealth};
use super::removal::RemovedMailboxes;
use super::slot_map::SlotMap;
use super::tenant_budget::{MailboxUsage, TenantUsage};
use super::verdict::Verdict;
use super::{AgentSlot, CoreLimits, RowId};

#[derive(Debug)]
pub(super) struct RecipientSide {
    pub(super) limits: Arc<CoreLimits>,
    pub(super) mailboxes: SlotMap<AgentMailbox>,
    pub(super) tenants: HashMap<TenantId, TenantUsage>,
    pub(super) leaving: LeavingMessages,
    pub(super) pending_writes: PendingWrites,
    pub(super) expiry: ExpiryQueue,
    pub(super) ack_deadlines: VecDeque<AckDeadline>,
    pub(super) held_bytes: usize,
    /// What all mailboxes hold.
    pub(super) usage: MailboxUsage,
    pub(super) failed_loads: Vec<FailedLoad>,
    pub(super) removed: RemovedMailboxes,
    /// Notices that the store refused. They are written again when the store has recovered.
    pub(super) unsent_notices: Vec<UndeliveredMessage>,
    /// Mailboxes that lost a notice to a newer one in this step. Others may have waited behind it.
    pub(super) unblocked: Vec<AgentSlot>,
    /// For the sender's side, in order. Empty after each step.
    pub(super) verdicts: VecDeque<Verdict>,
    pub(super) broken: BrokenRules,
}

impl RecipientSide {
    /// `next_row` is above every row of the store.
    pub(super) fn new(limits: Arc<CoreLimits>, next_row: RowId) -> Self {
        Self {
            limits,
            mailboxes: SlotMap::default(),
            tenants: HashMap::default(),
            leaving: LeavingMessages::default(),
            pending_writes: PendingWrites::new(next_row),
            expiry: ExpiryQueue::default(),
            ack_deadlines: VecDeque::new(),
            held_bytes: 0,
            usage: MailboxUsage::default(),
            failed_loads: Vec::new(),
            removed: RemovedMailboxes::default(),
            unsent_notices: Vec::new(),
            unblocked: Vec::new(),
            verdicts: VecDeque::new(),
            broken: BrokenRules::default(),
        }
    }

    pub(super) fn add_agent(&mut self, slot: AgentSlot, agent: Agent) {
        self.tenant_usage(&agent.tenant).removed = false;
        self.mailboxes.insert(slot, AgentMailbox::new(agent));
    }

    /// What the tenant holds, nothing if this is the first that is heard of it.
    pub(super) fn tenant_usage(&mut self, tenant: &TenantId) -> &mut TenantUsage {
        self.tenants.entry(tenant.clone()).or_default()
    }

    /// The session of an agent that is connected.
    pub(super) fn session(&self, slot: AgentSlot) -> Option<&AgentSession> {
        self.mailboxes.get(slot)?.session.as_ref()
    }

    /// The session of an agent that is connected.
    pub(super) fn session_mut(&mut self, slot: AgentSlot) -> Option<&mut AgentSession> {
        self.mailboxes.get_mut(slot)?.session.as_mut()
    }

    /// The agents that have a session, in the same order in every run.
    pub(super) fn connected(&self) -> Vec<AgentSlot> {
        let connected = self.mailboxes.iter().filter(|(_, agent)| agent.session.is_some());
        connected.map(|(slot, _)| slot).collect()
    }

    pub(super) fn did(&self, slot: AgentSlot) -> Arc<str> {
        self.mailboxes.get(slot).map_or_else(|| "".into(), |agent| agent.did.clone())
    }

    pub(super) const fn store_health(&self) -> StoreHealth {
        StoreHealth { state: self.pending_writes.store, stalled: self.pending_writes.stalled }
    }
}
