//! Delivers a mailbox to its agent's session in pages, as far as the delivery window allows.

use bytes::Bytes;
use protocol::frame::Outcome;

use super::agent::{Agent, MailboxRow, RowContent, UndeliveredMessage};
use super::agent_session::{DeliveryMode, LiveMessages, PageLoad};
use super::delivery_window::Content;
use super::limits::{LOAD_RETRY_MAX_INTERVAL, LOAD_RETRY_MIN_INTERVAL};
use super::{AgentSlot, Core, CoreTime, Counter, Effect, RowId};

/// A page that could not be read, and when it is read again.
#[derive(Debug, Clone, Copy)]
pub(super) struct FailedLoad {
    retry_ms: u64,
    mailbox: AgentSlot,
    epoch: u64,
}

impl FailedLoad {
    #[cfg(test)]
    pub(super) fn is_for(&self, mailbox: AgentSlot, epoch: u64) -> bool {
        self.mailbox == mailbox && self.epoch == epoch
    }
}

impl Core {
    /// Delivers the next rows of the mailbox: notices from memory, messages by requesting a page.
    pub(super) fn deliver_backlog(&mut self, slot: AgentSlot, now: CoreTime, out: &mut Vec<Effect>) {
        loop {
            let Some(agent) = self.agents.agent_mut(slot) else { return };
            let Some(session) = agent.session.as_mut() else { return };
            let DeliveryMode::Backlog(backlog) = &session.mode else { return };
            if backlog.load != PageLoad::Idle {
                return;
            }
            let waiting = agent.rows.range(backlog.sent_upto() + 1..);
            let Some((&row, next)) = waiting.into_iter().find(|(row, _)| !backlog.has_sent(**row)) else {
                session.mode = DeliveryMode::Live(LiveMessages::default());
                return;
            };
            if !next.committed || !session.window.has_capacity(next.size as usize) {
                return;
            }
            if next.expires_ms <= now.steady_ms {
                return self.expire_soon(slot, row, now);
            }
            match &next.content {
                RowContent::Message { .. } => return self.request_page(slot, now, out),
                RowContent::Notice(_) => self.deliver_notice(slot, row, out),
            }
        }
    }

    fn deliver_notice(&mut self, slot: AgentSlot, row: RowId, out: &mut Vec<Effect>) {
        let Some(Agent { session, rows, missed, .. }) = self.agents.agent_mut(slot) else { return };
        let (Some(session), Some(found)) = (session, rows.get_mut(&row)) else { return };
        let MailboxRow { id, content: RowContent::Notice(notice), .. } = found else { return };
        notice.missed += std::mem::take(missed);
        let seq = session.window.push(0, Content::Row(row));
        if let Some(backlog) = session.backlog_mut() {
            backlog.advance(row);
        }
        let (conn, epoch, id, to) = (session.conn, session.epoch, *id, notice.about.clone());
        let (outcome, reason, at, missed) = (notice.outcome, notice.reason, notice.at, notice.missed);
        out.push(Effect::Notice { conn, epoch, seq, id, to, outcome, reason, at, missed });
    }

    /// Requests the next messages, up to the first notice, the first row that is not on disk or has
    /// expired, or the end of the window.
    fn request_page(&mut self, slot: AgentSlot, now: CoreTime, out: &mut Vec<Effect>) {
        let page_rows = self.limits.page_rows;
        let Some(agent) = self.agents.agent_mut(slot) else { return };
        let Some(session) = agent.session.as_mut() else { return };
        let DeliveryMode::Backlog(backlog) = &mut session.mode else { return };
        let (mut rows, mut bytes) = (Vec::new(), 0);
        for (&row, found) in agent.rows.range(backlog.sent_upto() + 1..) {
            if backlog.has_sent(row) {
                continue;
            }
            let size = found.size as usize;
            let ready = found.committed && found.expires_ms > now.steady_ms;
            let message = matches!(found.content, RowContent::Message { .. });
            let fits = rows.len() < page_rows && session.window.has_capacity_after(rows.len(), bytes, size);
            if !ready || !message || !fits {
                break;
            }
            rows.push(row);
            bytes += size;
        }
        let Some(&upto) = rows.last() else { return };
        backlog.load = PageLoad::Pending { upto };
        out.push(Effect::LoadPage { agent: slot, epoch: session.epoch, rows });
    }

    pub(super) fn on_page_loaded(
        &mut self,
        slot: AgentSlot,
        epoch: u64,
        page: Vec<(RowId, Bytes)>,
        now: CoreTime,
        out: &mut Vec<Effect>,
    ) {
        let Some(requested) = self.finish_load(slot, epoch) else { return };
        let mut page = page.into_iter().peekable();
        for row in requested {
            while page.next_if(|(r, _)| *r < row).is_some() {}
            let Some((_, envelope)) = page.next_if(|(r, _)| *r == row) else {
                self.drop_unreadable_row(slot, row, now, out);
                continue;
            };
            if !self.deliver_row(slot, row, envelope, now, out) {
                // The window is full, or the row has expired. The rest is requested again.
                break;
            }
        }
        self.deliver_backlog(slot, now, out);
    }

    /// The rows of the page that is being read, as far as they are still in the mailbox.
    fn finish_load(&mut self, slot: AgentSlot, epoch: u64) -> Option<Vec<RowId>> {
        let agent = self.agents.agent_mut(slot)?;
        let session = agent.session.as_mut().filter(|session| session.epoch == epoch)?;
        let backlog = session.backlog_mut()?;
        let PageLoad::Pending { upto } = backlog.load else { return None };
        backlog.load = PageLoad::Idle;
        backlog.failed_loads = 0;
        let waiting = agent.rows.range(backlog.sent_upto() + 1..).map(|(row, _)| *row);
        Some(waiting.take_while(|row| *row <= upto).filter(|row| !backlog.has_sent(*row)).collect())
    }

    fn deliver_row(
        &mut self,
        slot: AgentSlot,
        row: RowId,
        envelope: Bytes,
        now: CoreTime,
        out: &mut Vec<Effect>,
    ) -> bool {
        let Some(agent) = self.agents.agent_mut(slot) else { return false };
        let expired = agent.rows.get(&row).is_none_or(|row| row.expires_ms <= now.steady_ms);
        let session = agent.session.as_mut().filter(|s| !expired && s.window.has_capacity(envelope.len()));
        let Some(session) = session else { return false };
        let seq = session.window.push(envelope.len(), Content::Row(row));
        if let Some(backlog) = session.backlog_mut() {
            backlog.advance(row);
        }
        out.push(Effect::Deliver { conn: session.conn, epoch: session.epoch, seq, envelope });
        true
    }

    /// The store has lost this row, so all that is left is a notice to the sender.
    fn drop_unreadable_row(&mut self, mailbox: AgentSlot, row: RowId, now: CoreTime, out: &mut Vec<Effect>) {
        let recipient = self.did(mailbox);
        let Some(removed) = self.remove_row(mailbox, row) else { return };
        if let RowContent::Message { sender } = removed.content {
            let (id, outcome, reason) = (removed.id, Outcome::Dropped, None);
            self.write_notice(UndeliveredMessage { sender, recipient, id, outcome, reason, row }, now, out);
        }
        out.push(Effect::Count(Counter::Unreadable));
    }

    /// A page that cannot be read is read again after a pause, which grows with each failure.
    pub(super) fn on_load_failed(&mut self, slot: AgentSlot, epoch: u64, now: CoreTime) {
        let session = self.agents.session_mut(slot).filter(|session| session.epoch == epoch);
        let Some(backlog) = session.and_then(|session| session.backlog_mut()) else { return };
        if !matches!(backlog.load, PageLoad::Pending { .. }) {
            return;
        }
        backlog.load = PageLoad::Failed;
        backlog.failed_loads += 1;
        let pause = LOAD_RETRY_MIN_INTERVAL * (1 << (backlog.failed_loads - 1).min(16));
        let pause = u64::try_from(pause.min(LOAD_RETRY_MAX_INTERVAL).as_millis()).unwrap_or(u64::MAX);
        self.failed_loads.push(FailedLoad { retry_ms: now.mono_ms + pause, mailbox: slot, epoch });
    }

    pub(super) fn retry_loads(&mut self, now: CoreTime, out: &mut Vec<Effect>) {
        let (due, later) =
            std::mem::take(&mut self.failed_loads).into_iter().partition(|load| load.retry_ms <= now.mono_ms);
        self.failed_loads = later;
        let due: Vec<FailedLoad> = due;
        for load in due {
            let session = self.agents.session_mut(load.mailbox).filter(|s| s.epoch == load.epoch);
            let backlog = session.and_then(|session| session.backlog_mut());
            if let Some(backlog) = backlog.filter(|backlog| backlog.load == PageLoad::Failed) {
                backlog.load = PageLoad::Idle;
                self.deliver_backlog(load.mailbox, now, out);
            }
        }
    }
}
