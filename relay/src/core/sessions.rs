//! Sessions: the newest registration of an agent replaces the one before, which then has no
//! further effect.

use protocol::close::CloseCode;
use protocol::did::TenantId;

use super::agent_session::AgentSession;
use super::agent_table::Agent;
use super::delivery_window::Content;
use super::recipient_side::RecipientSide;
use super::verdict::Verdict;
use super::{AgentRegistry, AgentSlot, ConnId, Core, CoreTime, Effect, NewSession, SendRule};

impl Core {
    /// Opens a session with a new epoch, in which deliveries are numbered from 1. Pending messages
    /// are delivered first, oldest first, in pages.
    pub(super) fn open_session(&mut self, opened: NewSession, now: CoreTime, out: &mut Vec<Effect>) {
        let NewSession { conn, did, tenant, request } = opened;
        if self.draining {
            return out.push(Effect::refusal(conn, request, SendRule::NotDraining.into()));
        }
        let found = self.agents.find(did.as_str());
        let slot = found.unwrap_or_else(|| self.add_agent(did.as_str(), tenant.clone()));
        if self.sessions.get(&conn).is_some_and(|held| *held != slot) {
            return out.push(Effect::refusal(conn, request, SendRule::OneAgent.into()));
        }
        self.replace_session(slot, conn, now, out);

        self.last_epoch += 1;
        let epoch = self.last_epoch;
        let Some(pending) = self.recipients.begin_session(slot, conn, epoch) else { return };
        self.sessions.insert(conn, slot);
        out.push(Effect::Registered { conn, request, epoch, tenant, pending });
        self.recipients.deliver_backlog(slot, now, out);
    }

    fn replace_session(&mut self, slot: AgentSlot, by: ConnId, now: CoreTime, out: &mut Vec<Effect>) {
        let Some(old) = self.recipients.session(slot).map(|session| session.conn) else { return };
        self.recipients.end_session(slot, now, out);
        if old != by {
            self.sessions.remove(&old);
            out.push(Effect::Close { conn: old, code: CloseCode::Replaced });
        }
    }

    /// Ends the session only if it belongs to this connection: a late disconnect of an old
    /// connection keeps the newer session.
    pub(super) fn close_connection(&mut self, conn: ConnId, now: CoreTime, out: &mut Vec<Effect>) {
        let Some(slot) = self.sessions.remove(&conn) else { return };
        if self.recipients.session(slot).is_some_and(|session| session.conn == conn) {
            self.recipients.end_session(slot, now, out);
        }
    }

    /// The agent whose session this is. Only the session of this epoch on this connection can
    /// settle deliveries; anything else has no effect.
    pub(super) fn settling_session(
        &mut self,
        conn: ConnId,
        epoch: u64,
        seq: u64,
        now: CoreTime,
        out: &mut Vec<Effect>,
    ) -> Option<AgentSlot> {
        let slot = self.sessions.get(&conn).copied()?;
        let session = self.recipients.session(slot).filter(|s| s.conn == conn && s.epoch == epoch)?;
        if seq > session.window.last_seq() {
            out.push(Effect::Close { conn, code: CloseCode::Policy });
            self.close_connection(conn, now, out);
            return None;
        }
        Some(slot)
    }

    /// Accepts nothing more and writes all messages that are only in memory.
    pub(super) fn drain(&mut self, now: CoreTime, out: &mut Vec<Effect>) {
        self.draining = true;
        self.recipients.spill(now, out);
    }

    /// The agent of this name, if there is one.
    pub(super) fn find_or_add(&mut self, did: &str, registry: &dyn AgentRegistry) -> Option<AgentSlot> {
        if let Some(slot) = self.agents.find(did) {
            return Some(slot);
        }
        let tenant = registry.tenant_of(did)?;
        Some(self.add_agent(did, tenant))
    }

    /// Adds an agent that the directory knows, on both sides.
    fn add_agent(&mut self, did: &str, tenant: TenantId) -> AgentSlot {
        let agent = Agent { did: did.into(), tenant };
        let slot = self.agents.add(agent.clone());
        self.senders.add_agent(slot, agent.clone());
        self.recipients.add_agent(slot, agent);
        slot
    }
}

impl RecipientSide {
    /// Begins a session, and returns how many rows wait in the mailbox.
    fn begin_session(&mut self, slot: AgentSlot, conn: ConnId, epoch: u64) -> Option<u64> {
        let agent = self.mailboxes.get_mut(slot)?;
        let pending = agent.rows.len() as u64;
        agent.session = Some(AgentSession::new(conn, epoch, &self.limits, pending > 0));
        Some(pending)
    }

    /// Keeps the messages in flight in the mailbox, or writes them there, in order. The next
    /// session gets them again.
    fn end_session(&mut self, slot: AgentSlot, now: CoreTime, out: &mut Vec<Effect>) {
        self.leave_live(slot, now, out);
        let Some(session) = self.mailboxes.get_mut(slot).and_then(|agent| agent.session.take()) else {
            return;
        };
        for (_, content) in session.window.contents() {
            if let Content::Unstored(message) = content {
                self.verdicts.push_back(Verdict::UnstoredGone(message));
            }
        }
    }

    /// Writes all messages that are only in memory.
    fn spill(&mut self, now: CoreTime, out: &mut Vec<Effect>) {
        for slot in self.connected() {
            self.leave_live(slot, now, out);
            self.deliver_backlog(slot, now, out);
        }
    }
}
