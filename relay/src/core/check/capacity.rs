//! The limits that one more message would exceed, counted anew over all structures. The simulator
//! compares them with what the core decides.

use protocol::envelope::MessageId;

use super::super::agent::{Agent, MailboxRow, RowContent};
use super::super::dedup::{MessageKey, OpenState};
use super::super::limits::RESERVED_PART;
use super::super::tenant_budget::MailboxUsage;
use super::super::{AgentSlot, Core};

/// The limits that one more message would exceed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ExceededLimits {
    /// Those of the recipient's mailbox.
    pub(crate) mailbox: bool,
    /// Those of all mailboxes of the tenant, or of the relay.
    pub(crate) storage: bool,
    /// The relay's memory, its queue to the store, or the sends of the sender that wait.
    pub(crate) load: bool,
}

impl ExceededLimits {
    pub(crate) const fn any(self) -> bool {
        self.mailbox || self.storage || self.load
    }
}

impl Core {
    /// The limits that a message of this size would exceed. `None` if the core does not know one of
    /// the agents yet.
    pub(crate) fn exceeded_limits(&self, from: &str, to: &str, size: usize) -> Option<ExceededLimits> {
        let sender = self.agents.find(from)?;
        let recipient = self.agents.agent(self.agents.find(to)?)?;
        Some(ExceededLimits {
            mailbox: self.exceeds_mailbox(recipient, size as u64),
            storage: self.exceeds_storage(recipient, size as u64),
            load: self.exceeds_load(sender, size),
        })
    }

    /// Whether an answer to this message is remembered or open.
    pub(crate) fn is_remembered(&self, from: &str, id: MessageId) -> bool {
        let sender = self.agents.find(from);
        sender.is_some_and(|sender| self.dedup.is_known(MessageKey { sender, id }))
    }

    /// The number of ids that are remembered of this sender.
    pub(crate) fn remembered_ids(&self, from: &str) -> usize {
        self.agents.find(from).map_or(0, |sender| self.dedup.remembered(sender))
    }

    /// Notices to this agent that were dropped, and of which the next one has to tell.
    pub(crate) fn untold_notices(&self, to: &str) -> u64 {
        self.agents.find(to).and_then(|slot| self.agents.agent(slot)).map_or(0, |agent| agent.missed)
    }

    /// Dropped notices of which those in the mailbox of this agent tell.
    pub(crate) fn told_in_mailbox(&self, to: &str) -> u64 {
        let agent = self.agents.find(to).and_then(|slot| self.agents.agent(slot));
        agent.map_or(0, |agent| agent.rows.values().map(missed_before).sum())
    }

    fn exceeds_mailbox(&self, recipient: &Agent, size: u64) -> bool {
        let rows = recipient.rows.values();
        let sizes = rows.filter(|row| matches!(row.content, RowContent::Message { .. })).map(|row| row.size);
        let live = recipient.session.iter().filter_map(|session| session.live());
        let in_memory = live.flat_map(|live| live.iter()).map(|(_, message)| message.envelope.len() as u64);
        let sizes: Vec<u64> = sizes.map(u64::from).chain(in_memory).collect();
        let bytes = sizes.iter().sum::<u64>() + size;
        sizes.len() as u64 + 1 > u64::from(self.limits.mailbox_messages) || bytes > self.limits.mailbox_bytes
    }

    fn exceeds_storage(&self, recipient: &Agent, size: u64) -> bool {
        let (mut tenant, mut relay) = (MailboxUsage::default(), MailboxUsage::default());
        let present = self.agents.iter().map(|(_, agent)| (&agent.tenant, &agent.rows));
        let removed = self.removed.iter().map(|mailbox| (&mailbox.tenant, &mailbox.rows));
        for (of, rows) in present.chain(removed) {
            for row in rows.values() {
                relay.add(row.size);
                if *of == recipient.tenant {
                    tenant.add(row.size);
                }
            }
        }
        let (limits, tenants) = (&self.limits, self.tenants.len().max(1) as u64);
        let fits = |more: u64, tenant: u64, relay: u64, max: u64| {
            let reserve = max / RESERVED_PART;
            let shared = relay + more <= max - reserve;
            shared || (relay + more <= max && (tenant + more) * tenants <= reserve)
        };
        tenant.messages + 1 > limits.tenant_messages
            || tenant.bytes + size > limits.tenant_bytes
            || !fits(1, tenant.messages, relay.messages, limits.relay_messages)
            || !fits(size, tenant.bytes, relay.bytes, limits.relay_bytes)
    }

    fn exceeds_load(&self, sender: AgentSlot, size: usize) -> bool {
        let open = self.dedup.open_of(sender);
        let waiting = open.filter(|(_, entry)| matches!(entry.state, OpenState::Waiting { .. }));
        waiting.count() >= self.limits.unanswered_sends as usize
            || self.held_bytes + size > self.limits.held_bytes_max
            || self.writes_of_tenant(sender) + self.pending_writes.len() >= self.limits.writes_pending
    }

    /// Rows that wait for the store and are for agents of this agent's tenant.
    fn writes_of_tenant(&self, of: AgentSlot) -> usize {
        let tenant = |slot| self.agents.agent(slot).map(|agent| &agent.tenant);
        self.pending_writes.iter().filter(|written| tenant(written.mailbox) == tenant(of)).count()
    }
}

const fn missed_before(row: &MailboxRow) -> u64 {
    match &row.content {
        RowContent::Notice(notice) => notice.missed,
        RowContent::Message { .. } => 0,
    }
}
