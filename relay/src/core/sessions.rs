//! Sessions: the newest registration of an agent replaces the one before, which then has no
//! further effect.

use protocol::Reason;
use protocol::close::CloseCode;

use super::agent::Agent;
use super::delivery_window::{Content, DeliveryWindow};
use super::limits::DRAIN_RETRY_INTERVAL;
use super::{AgentSlot, ConnId, Core, Effect, NewSession, Now};

impl Core {
    /// Opens a session with a new epoch, in which deliveries are numbered from 1. Pending messages
    /// are delivered first, oldest first, in pages.
    pub(super) fn open_session(&mut self, opened: NewSession, now: Now, out: &mut Vec<Effect>) {
        let NewSession { conn, did, tenant, request } = opened;
        if self.draining {
            let (reason, retry_after) = (Reason::Draining, Some(DRAIN_RETRY_INTERVAL));
            return out.push(Effect::Refuse { conn, request, reason, retry_after, quota: None });
        }
        let found = self.agents.find(did.as_str());
        let slot = found.unwrap_or_else(|| self.agents.add(Agent::new(did.as_str().into(), tenant.clone())));
        if self.sessions.get(&conn).is_some_and(|held| *held != slot) {
            let (reason, retry_after) = (Reason::Forbidden, None);
            return out.push(Effect::Refuse { conn, request, reason, retry_after, quota: None });
        }
        self.replace_session(slot, conn, now, out);

        self.last_epoch += 1;
        let epoch = self.last_epoch;
        let Some(agent) = self.agents.agent_mut(slot) else { return };
        let pending = agent.rows.len() as u64;
        agent.session = Some(DeliveryWindow::new(conn, epoch, pending > 0));
        self.sessions.insert(conn, slot);
        out.push(Effect::Registered { conn, request, epoch, tenant, pending });
        self.deliver_backlog(slot, out);
    }

    fn replace_session(&mut self, slot: AgentSlot, by: ConnId, now: Now, out: &mut Vec<Effect>) {
        let Some(old) = self.agents.session(slot).map(|session| session.conn) else { return };
        self.end_session(slot, now, out);
        if old != by {
            self.sessions.remove(&old);
            out.push(Effect::Close { conn: old, code: CloseCode::Replaced });
        }
    }

    /// Ends the session only if it belongs to this connection: a late disconnect of an old
    /// connection keeps the newer session.
    pub(super) fn close_connection(&mut self, conn: ConnId, now: Now, out: &mut Vec<Effect>) {
        let Some(slot) = self.sessions.remove(&conn) else { return };
        if self.agents.session(slot).is_some_and(|session| session.conn == conn) {
            self.end_session(slot, now, out);
        }
    }

    /// Keeps the messages in flight in the mailbox, or writes them there, in order. The next
    /// session gets them again.
    pub(super) fn end_session(&mut self, slot: AgentSlot, now: Now, out: &mut Vec<Effect>) {
        self.spill(slot, now, out);
        let Some(session) = self.agents.agent_mut(slot).and_then(|agent| agent.session.take()) else {
            return;
        };
        for delivery in session.into_in_flight() {
            if let Content::Unstored(message) = delivery.content {
                self.refuse_sender(message, Reason::StorageUnavailable, out);
                self.dedup.remove(message);
            }
        }
    }

    /// Accepts nothing more and writes all messages that are only in memory.
    pub(super) fn drain(&mut self, now: Now, out: &mut Vec<Effect>) {
        self.draining = true;
        for slot in self.agents.connected() {
            self.spill(slot, now, out);
        }
    }
}
