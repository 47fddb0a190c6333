//! Reactions to the store: rows were committed, a commit failed, or the store recovered.

use protocol::Reason;
use protocol::frame::SendStatus;

use super::agent::{RowContent, UndeliveredMessage};
use super::dedup::MessageKey;
use super::{AgentSlot, Core, Effect, Now, RowId, Write};

impl Core {
    pub(super) fn on_rows_stored(&mut self, upto: RowId, out: &mut Vec<Effect>) {
        let mut in_backlog = Vec::new();
        while let Some(written) = self.pending_writes.pop_upto(upto) {
            self.held_bytes -= written.size;
            let Some(agent) = self.agents.agent_mut(written.mailbox) else { continue };
            let waits = agent.session.as_ref().is_some_and(|s| s.backlog);
            if waits && in_backlog.last() != Some(&written.mailbox) {
                in_backlog.push(written.mailbox);
            }
            let Some(row) = agent.rows.get_mut(&written.row) else { continue };
            row.committed = true;
            match &mut row.content {
                RowContent::Message { sender: Some(sender) } => {
                    let key = MessageKey { sender: *sender, id: row.id };
                    self.answer_sender(key, SendStatus::Stored, out);
                }
                RowContent::Message { sender: None } => {}
                RowContent::Notice { ends, .. } => {
                    out.extend(ends.take().map(|row| Effect::Write(Write::Remove { row })));
                }
            }
        }
        for mailbox in in_backlog {
            self.deliver_backlog(mailbox, out);
        }
    }

    pub(super) fn on_store_failed(&mut self, upto: RowId, out: &mut Vec<Effect>) {
        self.pending_writes.set_failed(true);
        while let Some(written) = self.pending_writes.pop_upto(upto) {
            self.held_bytes -= written.size;
            let Some(row) = self.remove_row(written.mailbox, written.row) else { continue };
            match row.content {
                RowContent::Message { sender: Some(sender) } => {
                    let key = MessageKey { sender, id: row.id };
                    self.on_message_not_stored(written.mailbox, written.row, key, out);
                }
                RowContent::Message { sender: None } => {}
                RowContent::Notice { about: recipient, outcome, ends, .. } => {
                    let (sender, id) = (Some(written.mailbox), row.id);
                    let unsent = ends.map(|row| UndeliveredMessage { sender, recipient, id, outcome, row });
                    self.unsent_notices.extend(unsent);
                }
            }
        }
        self.deliver_all_backlogs(out);
    }

    fn on_message_not_stored(
        &mut self,
        mailbox: AgentSlot,
        row: RowId,
        key: MessageKey,
        out: &mut Vec<Effect>,
    ) {
        self.refuse_sender(key, Reason::StorageUnavailable, out);
        let session = self.agents.session_mut(mailbox);
        let in_flight = session.is_some_and(|s| s.mark_unstored(row, key));
        if !in_flight {
            self.dedup.remove(key);
        }
    }

    pub(super) fn on_store_recovered(&mut self, now: Now, out: &mut Vec<Effect>) {
        self.pending_writes.set_failed(false);
        for undelivered in std::mem::take(&mut self.unsent_notices) {
            self.write_notice(undelivered, now, out);
        }
        self.deliver_all_backlogs(out);
    }

    /// A change of the store's state may have removed the rows that others waited behind.
    fn deliver_all_backlogs(&mut self, out: &mut Vec<Effect>) {
        for slot in self.agents.connected() {
            self.deliver_backlog(slot, out);
        }
    }
}
