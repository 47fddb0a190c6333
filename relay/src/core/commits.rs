//! Reactions to the store: rows were committed, a commit failed or takes long, or the store works
//! again.

use protocol::frame::SendStatus;

use super::agent::{Notice, RowContent, UndeliveredMessage};
use super::dedup::MessageKey;
use super::pending_writes::{PendingWrite, StoreState};
use super::{AgentSlot, Core, CoreTime, Effect, RowId, SendRule};

impl Core {
    pub(super) fn on_rows_stored(&mut self, upto: RowId, now: CoreTime, out: &mut Vec<Effect>) {
        self.pending_writes.stalled = false;
        let mut mailboxes: Vec<AgentSlot> = Vec::new();
        while let Some(written) = self.end_write(upto) {
            self.on_row_stored(written, out);
            if mailboxes.last() != Some(&written.mailbox) {
                mailboxes.push(written.mailbox);
            }
        }
        for mailbox in mailboxes {
            self.deliver_backlog(mailbox, now, out);
        }
    }

    /// The row may have left the mailbox meanwhile, with its agent or by an acknowledgement.
    fn on_row_stored(&mut self, written: PendingWrite, out: &mut Vec<Effect>) {
        let PendingWrite { row: number, mailbox, .. } = written;
        let Some(agent) = self.agents.agent_mut(mailbox) else { return };
        let Some(row) = agent.rows.get_mut(&number) else { return };
        row.committed = true;
        let (id, size) = (row.id, row.size as usize);
        match row.content {
            RowContent::Message { sender: Some(sender) } => {
                self.answer_sender(MessageKey { sender, id }, SendStatus::Stored, size, out);
            }
            RowContent::Message { sender: None } => {}
            RowContent::Notice(_) => self.on_notice_stored(mailbox, id, number),
        }
    }

    pub(super) fn on_store_failed(&mut self, upto: RowId, now: CoreTime, out: &mut Vec<Effect>) {
        self.pending_writes.stalled = false;
        self.pending_writes.store = StoreState::Failed;
        self.release_leaving(SendRule::StoreWorks.into(), out);
        while let Some(written) = self.end_write(upto) {
            self.on_row_failed(written, out);
        }
        self.deliver_all_backlogs(now, out);
    }

    fn on_row_failed(&mut self, written: PendingWrite, out: &mut Vec<Effect>) {
        let PendingWrite { row, mailbox, .. } = written;
        let Some(removed) = self.remove_row(mailbox, row) else { return };
        match removed.content {
            RowContent::Message { sender: Some(sender) } => {
                let key = MessageKey { sender, id: removed.id };
                self.pending_writes.mark_uncertain(key);
                self.on_row_refused(mailbox, row, (key, removed.size as usize), out);
            }
            RowContent::Message { sender: None } => self.broken("a restored row is written again"),
            RowContent::Notice(notice) => {
                let Notice { about: recipient, outcome, reason, ends, .. } = *notice;
                let Some(row) = ends else { return self.broken("a notice was written twice") };
                let (sender, id) = (Some(mailbox), removed.id);
                self.unsent_notices.push(UndeliveredMessage { sender, recipient, id, outcome, reason, row });
            }
        }
    }

    /// The disk is full: messages have no room, and what frees room is written.
    pub(super) fn on_store_full(&mut self, now: CoreTime, out: &mut Vec<Effect>) {
        self.pending_writes.recover(StoreState::Full);
        self.write_unsent_notices(now, out);
        self.deliver_all_backlogs(now, out);
    }

    pub(super) fn on_store_recovered(&mut self, now: CoreTime, out: &mut Vec<Effect>) {
        self.pending_writes.recover(StoreState::Working);
        self.write_unsent_notices(now, out);
        self.deliver_all_backlogs(now, out);
    }

    /// Nobody waits for a commit that does not come. What becomes of each message is still open.
    pub(super) fn on_store_stalled(&mut self, out: &mut Vec<Effect>) {
        self.pending_writes.stalled = true;
        let pending: Vec<PendingWrite> = self.pending_writes.iter().copied().collect();
        for written in pending {
            let agent = self.agents.agent(written.mailbox);
            let Some(row) = agent.and_then(|agent| agent.rows.get(&written.row)) else { continue };
            if let RowContent::Message { sender: Some(sender) } = row.content {
                let key = MessageKey { sender, id: row.id };
                self.release_sender(key, SendRule::StoreAnswers.into(), out);
            }
        }
        self.release_leaving(SendRule::StoreAnswers.into(), out);
    }

    fn write_unsent_notices(&mut self, now: CoreTime, out: &mut Vec<Effect>) {
        for undelivered in std::mem::take(&mut self.unsent_notices) {
            self.write_notice(undelivered, now, out);
        }
    }

    /// A change of the store's state may have removed the rows that others waited behind.
    fn deliver_all_backlogs(&mut self, now: CoreTime, out: &mut Vec<Effect>) {
        for slot in self.agents.connected() {
            self.deliver_backlog(slot, now, out);
        }
    }
}
