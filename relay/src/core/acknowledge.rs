//! A recipient has processed its deliveries up to a number. Also: telling senders what became of their messages.

use std::time::Duration;

use protocol::Reason;
use protocol::close::CloseCode;
use protocol::frame::{Outcome, SendStatus};

use super::agent::RowContent;
use super::ledger::MessageKey;
use super::limits::{OVERLOAD_RETRY, STORAGE_RETRY};
use super::window::Content;
use super::{AgentKey, ConnId, Core, Effect, Now, RowId, Write};

impl Core {
    /// Only the session of this epoch on this connection can acknowledge; anything else has no effect.
    pub(super) fn acknowledge(
        &mut self,
        conn: ConnId,
        epoch: u64,
        seq: u64,
        now: Now,
        out: &mut Vec<Effect>,
    ) {
        let Some(key) = self.sessions.get(&conn).copied() else { return };
        let session = self.roster.agent(key).and_then(|a| a.session.as_ref());
        let Some(session) = session.filter(|s| s.conn == conn && s.epoch == epoch) else { return };
        if seq > session.last_seq() {
            out.push(Effect::Close { conn, code: CloseCode::Policy });
            return self.close(conn, now, out);
        }
        while let Some(content) = self.take_acknowledged(key, seq) {
            match content {
                Content::Fresh(fresh) => {
                    self.held_bytes -= fresh.envelope.len();
                    self.decide(fresh.key, SendStatus::Delivered, out);
                }
                Content::Row(row) => self.row_acknowledged(key, row, now, out),
                Content::Unstored(message) => self.decide(message, SendStatus::Delivered, out),
                Content::Ephemeral => {}
            }
        }
        self.pump(key, out);
    }

    fn take_acknowledged(&mut self, key: AgentKey, seq: u64) -> Option<Content> {
        let session = self.roster.agent_mut(key)?.session.as_mut()?;
        session.pop_upto(seq).map(|flight| flight.content)
    }

    fn row_acknowledged(&mut self, key: AgentKey, row: RowId, now: Now, out: &mut Vec<Effect>) {
        let Some(taken) = self.take_row(key, row) else { return };
        out.push(Effect::Write(Write::Remove { row }));
        let RowContent::Message { sender: Some(sender) } = taken.content else { return };
        if taken.committed {
            self.tell_delivered(sender, key, taken.id, now, out);
        } else {
            self.decide(MessageKey { sender, id: taken.id }, SendStatus::Delivered, out);
        }
    }

    /// Best effort: to the sender's connection or not at all.
    fn tell_delivered(
        &self,
        sender: AgentKey,
        recipient: AgentKey,
        id: protocol::envelope::MessageId,
        now: Now,
        out: &mut Vec<Effect>,
    ) {
        let Some(session) = self.roster.agent(sender).and_then(|a| a.session.as_ref()) else { return };
        let (conn, epoch, to) = (session.conn, session.epoch, self.name(recipient));
        out.push(Effect::Notice { conn, epoch, seq: 0, id, to, outcome: Outcome::Delivered, at: now.unix });
    }

    /// Answers the sender if it still waits. The first decision stays.
    pub(super) fn decide(&mut self, key: MessageKey, status: SendStatus, out: &mut Vec<Effect>) {
        let Some((conn, request)) = self.ledger.decide(key, status) else { return };
        self.answered(key.sender);
        out.push(Effect::Answer { conn, request, status });
    }

    /// Tells the sender no, if it still waits.
    pub(super) fn disclaim(&mut self, key: MessageKey, reason: Reason, out: &mut Vec<Effect>) {
        let Some((conn, request)) = self.ledger.disclaim(key) else { return };
        self.answered(key.sender);
        out.push(Effect::Refuse { conn, request, reason, retry_after: retry_after(reason), quota: None });
    }

    fn answered(&mut self, sender: AgentKey) {
        if let Some(agent) = self.roster.agent_mut(sender) {
            agent.unanswered = agent.unanswered.saturating_sub(1);
        }
    }

    pub(super) fn name(&self, key: AgentKey) -> std::sync::Arc<str> {
        self.roster.agent(key).map_or_else(|| "".into(), |agent| agent.did.clone())
    }
}

const fn retry_after(reason: Reason) -> Option<Duration> {
    match reason {
        Reason::StorageUnavailable => Some(STORAGE_RETRY),
        Reason::Overloaded => Some(OVERLOAD_RETRY),
        _ => None,
    }
}
