//! Rebuilds mailboxes and the deduplication table at startup, from the rows of the store.

use protocol::frame::SendStatus;

use super::agent::{Agent, RowContent};
use super::dedup::{AnswerState, MessageKey};
use super::{AgentRegistry, AgentSlot, Core, Effect, RestoredRow, RowKind, Write};

impl Core {
    /// Adds one row of the store. A row whose mailbox belongs to no agent any longer is removed
    /// from the store.
    pub fn restore(&mut self, found: RestoredRow, registry: &dyn AgentRegistry, out: &mut Vec<Effect>) {
        let sender = self.find_or_add(found.peer.as_str(), registry);
        if let (RowKind::Message, Some(sender)) = (found.kind, sender) {
            let key = MessageKey { sender, id: found.id };
            let state = AnswerState::Answered(SendStatus::Stored);
            self.dedup.insert(key, found.digest, state, found.accepted);
        }
        if !found.waiting {
            return;
        }
        let Some(mailbox) = self.find_or_add(found.recipient.as_str(), registry) else {
            return out.push(Effect::Write(Write::Remove { row: found.row }));
        };
        let content = match found.kind {
            RowKind::Message => RowContent::Message { sender },
            RowKind::Notice(outcome) => RowContent::Notice {
                about: found.peer.as_str().into(),
                outcome,
                at: found.accepted,
                ends: None,
            },
        };
        self.index_row(mailbox, found.row, found.id, found.size as usize, found.expires, content, true);
    }

    fn find_or_add(&mut self, did: &str, registry: &dyn AgentRegistry) -> Option<AgentSlot> {
        if let Some(slot) = self.agents.find(did) {
            return Some(slot);
        }
        let tenant = registry.tenant_of(did)?;
        Some(self.agents.add(Agent::new(did.into(), tenant)))
    }
}
