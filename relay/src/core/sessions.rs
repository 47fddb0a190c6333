//! Sessions: the newest registration of an agent wins, an older one has no effect any more.

use protocol::Reason;
use protocol::close::CloseCode;

use super::agent::Agent;
use super::limits::DRAIN_RETRY;
use super::window::{Content, Session};
use super::{AgentKey, ConnId, Core, Effect, Now, Opened};

/// A delivery that has to be written unless it is acknowledged in time. All wait equally long, so a queue is in order.
#[derive(Debug, Clone, Copy)]
pub(super) struct Due {
    pub(super) at_ms: u64,
    pub(super) mailbox: AgentKey,
    pub(super) epoch: u64,
    pub(super) seq: u64,
}

impl Core {
    pub(super) fn open(&mut self, opened: Opened, now: Now, out: &mut Vec<Effect>) {
        let Opened { conn, did, tenant, request } = opened;
        if self.draining {
            let (reason, retry_after) = (Reason::Draining, Some(DRAIN_RETRY));
            return out.push(Effect::Refuse { conn, request, reason, retry_after, quota: None });
        }
        let found = self.roster.find(did.as_str());
        let key = found.unwrap_or_else(|| self.roster.add(Agent::new(did.as_str().into(), tenant.clone())));
        if self.sessions.get(&conn).is_some_and(|held| *held != key) {
            let (reason, retry_after) = (Reason::Forbidden, None);
            return out.push(Effect::Refuse { conn, request, reason, retry_after, quota: None });
        }
        self.supersede(key, conn, now, out);

        self.last_epoch += 1;
        let epoch = self.last_epoch;
        let Some(agent) = self.roster.agent_mut(key) else { return };
        let pending = agent.rows.len() as u64;
        agent.session = Some(Session::new(conn, epoch, pending > 0));
        self.sessions.insert(conn, key);
        out.push(Effect::Welcome { conn, request, epoch, tenant, pending });
        self.pump(key, out);
    }

    fn supersede(&mut self, key: AgentKey, by: ConnId, now: Now, out: &mut Vec<Effect>) {
        let session = self.roster.agent(key).and_then(|a| a.session.as_ref());
        let Some(old) = session.map(|s| s.conn) else { return };
        self.end_session(key, now, out);
        if old != by {
            self.sessions.remove(&old);
            out.push(Effect::Close { conn: old, code: CloseCode::Replaced });
        }
    }

    /// Removes the session only if it is this connection's: a stale disconnect keeps the newer session.
    pub(super) fn close(&mut self, conn: ConnId, now: Now, out: &mut Vec<Effect>) {
        let Some(key) = self.sessions.remove(&conn) else { return };
        let session = self.roster.agent(key).and_then(|a| a.session.as_ref());
        if session.is_some_and(|s| s.conn == conn) {
            self.end_session(key, now, out);
        }
    }

    /// What was in flight stays in the mailbox or goes there, in order; the next session gets it again.
    pub(super) fn end_session(&mut self, key: AgentKey, now: Now, out: &mut Vec<Effect>) {
        self.spill(key, now, out);
        let Some(session) = self.roster.agent_mut(key).and_then(|a| a.session.take()) else { return };
        for flight in session.into_flights() {
            if let Content::Unstored(message) = flight.content {
                self.disclaim(message, Reason::StorageUnavailable, out);
                self.ledger.remove(message);
            }
        }
    }

    /// Writes what its recipient did not acknowledge in time.
    pub(super) fn end_grace(&mut self, now: Now, out: &mut Vec<Effect>) {
        while let Some(due) = self.grace.pop_front_if(|due| due.at_ms <= now.mono_ms) {
            let session = self.roster.agent(due.mailbox).and_then(|a| a.session.as_ref());
            if session.is_some_and(|s| s.epoch == due.epoch) {
                self.settle(due.mailbox, due.seq, now, out);
            }
        }
    }

    pub(super) fn drain(&mut self, now: Now, out: &mut Vec<Effect>) {
        self.draining = true;
        let keys: Vec<AgentKey> =
            self.roster.iter().filter(|(_, a)| a.session.is_some()).map(|(k, _)| k).collect();
        for key in keys {
            self.spill(key, now, out);
        }
    }
}
