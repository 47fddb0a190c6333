//! Sessions: the newest registration of an agent replaces the one before, which then has no
//! further effect.

use daemon::token_bucket::TokenBucket;
use protocol::close::CloseCode;
use protocol::did::TenantId;

use super::agent::Agent;
use super::agent_session::AgentSession;
use super::delivery_window::Content;
use super::tenant_budget::TenantBudget;
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
        let Some(agent) = self.agents.agent_mut(slot) else { return };
        let pending = agent.rows.len() as u64;
        agent.session = Some(AgentSession::new(conn, epoch, &self.limits, pending > 0));
        self.sessions.insert(conn, slot);
        out.push(Effect::Registered { conn, request, epoch, tenant, pending });
        self.deliver_backlog(slot, now, out);
    }

    fn replace_session(&mut self, slot: AgentSlot, by: ConnId, now: CoreTime, out: &mut Vec<Effect>) {
        let Some(old) = self.agents.session(slot).map(|session| session.conn) else { return };
        self.end_session(slot, now, out);
        if old != by {
            self.sessions.remove(&old);
            out.push(Effect::Close { conn: old, code: CloseCode::Replaced });
        }
    }

    /// Ends the session only if it belongs to this connection: a late disconnect of an old
    /// connection keeps the newer session.
    pub(super) fn close_connection(&mut self, conn: ConnId, now: CoreTime, out: &mut Vec<Effect>) {
        let Some(slot) = self.sessions.remove(&conn) else { return };
        if self.agents.session(slot).is_some_and(|session| session.conn == conn) {
            self.end_session(slot, now, out);
        }
    }

    /// Keeps the messages in flight in the mailbox, or writes them there, in order. The next
    /// session gets them again.
    fn end_session(&mut self, slot: AgentSlot, now: CoreTime, out: &mut Vec<Effect>) {
        self.leave_live(slot, now, out);
        let Some(session) = self.agents.agent_mut(slot).and_then(|agent| agent.session.take()) else {
            return;
        };
        for (_, content) in session.window.contents() {
            if let Content::Unstored(message) = content {
                self.unstored.forget(message);
            }
        }
    }

    /// Accepts nothing more and writes all messages that are only in memory.
    pub(super) fn drain(&mut self, now: CoreTime, out: &mut Vec<Effect>) {
        self.draining = true;
        for slot in self.agents.connected() {
            self.leave_live(slot, now, out);
            self.deliver_backlog(slot, now, out);
        }
    }

    /// The agent of this name, if there is one.
    pub(super) fn find_or_add(&mut self, did: &str, registry: &dyn AgentRegistry) -> Option<AgentSlot> {
        if let Some(slot) = self.agents.find(did) {
            return Some(slot);
        }
        let tenant = registry.tenant_of(did)?;
        Some(self.add_agent(did, tenant))
    }

    /// Adds an agent that the directory knows.
    pub(super) fn add_agent(&mut self, did: &str, tenant: TenantId) -> AgentSlot {
        self.tenant_budget(&tenant).removed = false;
        self.agents.add(Agent::new(did.into(), tenant))
    }

    /// The budget of a tenant, a new one if this is the first that is heard of it.
    pub(super) fn tenant_budget(&mut self, tenant: &TenantId) -> &mut TenantBudget {
        let rate = self.limits.tenant_rate;
        let budget = self.tenants.entry(tenant.clone());
        budget.or_insert_with(|| TenantBudget::new(TokenBucket::full(rate, 0)))
    }
}
