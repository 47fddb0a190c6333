//! Notices: what senders are told of stored messages that will not be delivered.

use protocol::envelope::MessageId;

use super::agent::{Notice, RowContent, UndeliveredMessage};
use super::dedup::MessageKey;
use super::limits::NOTICE_TTL_SECONDS;
use super::mailbox::NewRow;
use super::{AgentSlot, Core, CoreTime, Effect, RowId, Write, WriteContent, WriteRow};

impl Core {
    /// Writes a notice to the sender of a stored message that will not be delivered. The message's
    /// row leaves the store in the same transaction: a crash loses neither or both.
    pub(super) fn write_notice(
        &mut self,
        undelivered: UndeliveredMessage,
        now: CoreTime,
        out: &mut Vec<Effect>,
    ) {
        let UndeliveredMessage { sender, id, outcome, row: ends, .. } = undelivered;
        let sender = sender.filter(|slot| self.agents.agent(*slot).is_some());
        let Some(sender) = sender.filter(|slot| self.has_room_for_notice(*slot, out)) else {
            if let Some(sender) = sender {
                let key = MessageKey { sender, id };
                self.dedup.stored_is_ending(key);
                self.dedup.end(key, outcome);
            }
            return out.push(Effect::Write(Write::Remove { row: ends, outcome: Some(outcome) }));
        };
        self.dedup.stored_is_ending(MessageKey { sender, id });
        self.enter_backlog(sender, now, out);
        let row = self.begin_write(sender, 0);
        let UndeliveredMessage { recipient: about, reason, .. } = undelivered;
        let notice =
            Notice { about: about.clone(), outcome, reason, at: now.unix, ends: Some(ends), missed: 0 };
        let expires_ms = now.after_seconds(NOTICE_TTL_SECONDS);
        let content = RowContent::Notice(Box::new(notice));
        self.index_row(sender, row, NewRow { id, size: 0, expires_ms, content, committed: false });
        out.push(Effect::Write(Write::Insert(WriteRow {
            row,
            recipient: self.did(sender),
            peer: about,
            id,
            digest: 0,
            accepted: now.unix,
            expires: now.unix_after(NOTICE_TTL_SECONDS),
            content: WriteContent::Notice { outcome, reason, ends: Some(ends) },
        })));
    }

    /// Drops the oldest notice of a mailbox that has too many. The next one that is delivered says
    /// how many were dropped. False if the new one has to be dropped itself.
    fn has_room_for_notice(&mut self, mailbox: AgentSlot, out: &mut Vec<Effect>) -> bool {
        let limit = self.limits.mailbox_notices;
        let Some(agent) = self.agents.agent_mut(mailbox) else { return false };
        if agent.notices.len() < limit {
            return true;
        }
        agent.missed += 1;
        let Some(oldest) = agent.oldest_idle_notice() else { return false };
        let removed = self.remove_row(mailbox, oldest);
        if let Some(RowContent::Notice(notice)) = removed.map(|row| row.content)
            && let Some(agent) = self.agents.agent_mut(mailbox)
        {
            agent.missed += notice.missed;
        }
        out.push(Effect::Write(Write::Remove { row: oldest, outcome: None }));
        self.unblocked.push(mailbox);
        true
    }

    /// The notice and the end of its message are on disk.
    pub(super) fn on_notice_stored(&mut self, sender: AgentSlot, id: MessageId, row: RowId) {
        let agent = self.agents.agent_mut(sender);
        let Some(RowContent::Notice(notice)) =
            agent.and_then(|agent| agent.rows.get_mut(&row)).map(|row| &mut row.content)
        else {
            return self.broken("a notice that was stored is not in the mailbox");
        };
        notice.ends = None;
        let outcome = notice.outcome;
        self.dedup.end(MessageKey { sender, id }, outcome);
    }

    /// Removes a notice's row from the store. If the notice may not be there yet, its message is
    /// removed as well.
    pub(super) fn remove_notice(&mut self, row: RowId, content: RowContent, out: &mut Vec<Effect>) {
        if let RowContent::Notice(notice) = content
            && let Notice { ends: Some(ends), outcome, .. } = *notice
        {
            out.push(Effect::Write(Write::Remove { row: ends, outcome: Some(outcome) }));
        }
        out.push(Effect::Write(Write::Remove { row, outcome: None }));
    }
}
