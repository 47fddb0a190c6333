//! Delivers a mailbox to its agent's session in pages, as far as the delivery window allows.

use bytes::Bytes;
use protocol::frame::Outcome;

use super::agent::{RowContent, UndeliveredMessage};
use super::delivery_window::{Content, InFlight, PageLoad};
use super::limits::PAGE_ROWS;
use super::{AgentSlot, Core, Counter, Effect, Now, RowId};

impl Core {
    /// Delivers the next rows of the mailbox: notices from memory, messages by requesting a page.
    pub(super) fn deliver_backlog(&mut self, slot: AgentSlot, out: &mut Vec<Effect>) {
        loop {
            let Some(agent) = self.agents.agent_mut(slot) else { return };
            let session = agent.session.as_mut().filter(|s| s.backlog && s.load == PageLoad::Idle);
            let Some(session) = session else { return };
            let Some((&row, next)) = agent.rows.range(session.sent_upto + 1..).next() else {
                session.backlog = false;
                return;
            };
            if !next.committed || !session.has_capacity(next.size as usize) {
                return;
            }
            let RowContent::Notice { about, outcome, at, .. } = &next.content else {
                self.request_page(slot, out);
                return;
            };
            let seq = session.push(InFlight { size: 0, content: Content::Row(row) });
            let (conn, epoch, id) = (session.conn, session.epoch, next.id);
            let (to, outcome, at) = (about.clone(), *outcome, *at);
            out.push(Effect::Notice { conn, epoch, seq, id, to, outcome, at });
        }
    }

    /// Requests the next messages, up to the first notice, the first uncommitted row, or the end
    /// of the window.
    fn request_page(&mut self, slot: AgentSlot, out: &mut Vec<Effect>) {
        let Some(agent) = self.agents.agent_mut(slot) else { return };
        let Some(session) = agent.session.as_mut() else { return };
        let (mut rows, mut bytes) = (Vec::new(), 0);
        for (&row, found) in agent.rows.range(session.sent_upto + 1..).take(PAGE_ROWS) {
            let size = found.size as usize;
            let message = matches!(found.content, RowContent::Message { .. });
            if !found.committed || !message || !session.has_capacity_after(rows.len(), bytes, size) {
                break;
            }
            rows.push(row);
            bytes += size;
        }
        let Some(&upto) = rows.last() else { return };
        session.load = PageLoad::Pending { upto };
        out.push(Effect::LoadPage { agent: slot, epoch: session.epoch, rows });
    }

    pub(super) fn on_page_loaded(
        &mut self,
        slot: AgentSlot,
        epoch: u64,
        page: Vec<(RowId, Bytes)>,
        now: Now,
        out: &mut Vec<Effect>,
    ) {
        let Some(agent) = self.agents.agent_mut(slot) else { return };
        let Some(session) = agent.session.as_mut().filter(|s| s.epoch == epoch) else { return };
        let PageLoad::Pending { upto } = session.load else { return };
        session.load = PageLoad::Idle;
        let requested = agent.rows.range(session.sent_upto + 1..=upto).map(|(row, _)| *row);
        let requested: Vec<RowId> = requested.collect();
        let mut page = page.into_iter().peekable();
        for row in requested {
            while page.next_if(|(r, _)| *r < row).is_some() {}
            let Some((_, envelope)) = page.next_if(|(r, _)| *r == row) else {
                self.drop_unreadable_row(slot, row, now, out);
                continue;
            };
            if !self.deliver_row(slot, row, envelope, out) {
                // The window is full. The rest is requested again later.
                break;
            }
        }
        self.deliver_backlog(slot, out);
    }

    fn deliver_row(&mut self, slot: AgentSlot, row: RowId, envelope: Bytes, out: &mut Vec<Effect>) -> bool {
        let session = self.agents.session_mut(slot).filter(|s| s.has_capacity(envelope.len()));
        let Some(session) = session else { return false };
        let seq = session.push(InFlight { size: envelope.len(), content: Content::Row(row) });
        out.push(Effect::Deliver { conn: session.conn, epoch: session.epoch, seq, envelope });
        true
    }

    /// The store has lost this row, so all that is left is a notice to the sender.
    fn drop_unreadable_row(&mut self, mailbox: AgentSlot, row: RowId, now: Now, out: &mut Vec<Effect>) {
        let recipient = self.did(mailbox);
        let Some(removed) = self.remove_row(mailbox, row) else { return };
        if let RowContent::Message { sender } = removed.content {
            let (id, outcome) = (removed.id, Outcome::Dropped);
            self.write_notice(UndeliveredMessage { sender, recipient, id, outcome, row }, now, out);
        }
        out.push(Effect::Count(Counter::Unreadable));
    }

    pub(super) fn on_load_failed(&mut self, slot: AgentSlot, epoch: u64) {
        if let Some(session) = self.agents.session_mut(slot).filter(|s| s.epoch == epoch) {
            session.load = PageLoad::Failed;
            self.failed_loads.push(slot);
        }
    }

    pub(super) fn retry_loads(&mut self, out: &mut Vec<Effect>) {
        for slot in std::mem::take(&mut self.failed_loads) {
            if let Some(session) = self.agents.session_mut(slot).filter(|s| s.load == PageLoad::Failed) {
                session.load = PageLoad::Idle;
                self.deliver_backlog(slot, out);
            }
        }
    }
}
