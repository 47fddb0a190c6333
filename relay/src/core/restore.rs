//! Rebuilds mailboxes and the deduplication table at startup, from the rows of the store.

use protocol::frame::{Outcome, SendStatus};

use super::agent::{MailboxRow, Notice, RowContent};
use super::dedup::{MessageKey, SettledState};
use super::mailbox::NewRow;
use super::{AgentRegistry, Core, RestoredRow, RowKind, RowState};

impl Core {
    /// Adds one row of the store. Messages of a mailbox that belongs to no agent any longer are
    /// dropped with notices, at the ticks that follow. Ids beyond the limit of the deduplication
    /// table are forgotten, oldest first.
    pub fn restore(&mut self, found: &RestoredRow, registry: &dyn AgentRegistry) {
        let sender = self.find_or_add(found.peer.as_str(), registry);
        if let (RowKind::Message, Some(sender)) = (found.kind, sender) {
            self.restore_id(MessageKey { sender, id: found.id }, found);
        }
        if found.state != RowState::Waiting {
            return;
        }
        let content = match found.kind {
            RowKind::Message => RowContent::Message { sender },
            RowKind::Notice { outcome, reason } => RowContent::Notice(Box::new(Notice {
                about: found.peer.as_str().into(),
                outcome,
                reason,
                at: found.accepted,
                ends: None,
                missed: 0,
            })),
        };
        let expires_ms = found.expires.saturating_mul(1000);
        let (id, size) = (found.id, found.size);
        if let Some(mailbox) = self.find_or_add(found.recipient.as_str(), registry) {
            let new = NewRow { id, size, expires_ms, content, committed: true };
            return self.index_row(mailbox, found.row, new);
        }
        let (did, tenant) = (found.recipient.as_str(), found.recipient.tenant());
        let row = MailboxRow { id, size, expires_ms, check_ms: expires_ms, content, committed: true };
        self.usage.add(size);
        self.tenant_budget(&tenant).usage.add(size);
        self.removed.restore(did, &tenant, found.row, row);
    }

    fn restore_id(&mut self, key: MessageKey, found: &RestoredRow) {
        let state = match found.state {
            RowState::Waiting => SettledState::Answered(SendStatus::Stored),
            RowState::Left(Outcome::Delivered) => SettledState::Answered(SendStatus::Delivered),
            RowState::Left(outcome) => SettledState::Ended(outcome),
        };
        let accepted_ms = found.accepted.saturating_mul(1000);
        // Every restored id is settled, so there is room unless the limit is zero.
        if self.dedup.make_room(key.sender, accepted_ms) {
            self.dedup.insert_settled(key, found.digest, state, accepted_ms);
        }
    }
}
