//! Agents and tenants that no longer exist, and what a relay knows when it starts.

use std::sync::Arc;

use protocol::Reason;
use protocol::did::TenantId;
use protocol::frame::{Outcome, SendStatus};

use super::agent::{Agent, Ending, Kind, Row, RowContent};
use super::effect::Tally;
use super::ledger::{MessageKey, State};
use super::window::Content;
use super::{AgentKey, Core, Effect, KnownAgents, Now, RestoredRow, RowId, Write};

impl Core {
    pub(super) fn remove_agent(&mut self, did: &str, now: Now, out: &mut Vec<Effect>) {
        let Some(key) = self.roster.find(did) else { return };
        let Some(agent) = self.roster.agent_mut(key) else { return };
        let (name, session) = (agent.did.clone(), agent.session.take());
        let rows: Vec<RowId> = agent.rows.keys().copied().collect();
        if let Some(session) = session {
            self.sessions.remove(&session.conn);
            for flight in session.into_flights() {
                self.drop_flight(flight.content, out);
            }
        }
        for row in rows {
            let Some(taken) = self.take_row(key, row) else { continue };
            self.drop_row(&name, row, taken, now, out);
        }
        self.roster.remove(key);
    }

    /// A message whose recipient is gone and that nobody was promised anything about.
    fn drop_flight(&mut self, content: Content, out: &mut Vec<Effect>) {
        let message = match content {
            Content::Fresh(fresh) => {
                self.held_bytes -= fresh.envelope.len();
                fresh.key
            }
            Content::Unstored(message) => message,
            Content::Row(_) | Content::Ephemeral => return,
        };
        self.disclaim(message, Reason::NotFound, out);
        self.ledger.remove(message);
    }

    fn drop_row(&mut self, about: &Arc<str>, number: RowId, row: Row, now: Now, out: &mut Vec<Effect>) {
        match row.content {
            RowContent::Message { sender } if row.committed => {
                let (about, id, outcome) = (about.clone(), row.id, Outcome::Dropped);
                self.end_message(Ending { sender, about, id, outcome, row: number }, now, out);
                return out.push(Effect::Count(Tally::Dropped));
            }
            RowContent::Message { sender } => {
                if let Some(message) = sender.map(|sender| MessageKey { sender, id: row.id }) {
                    self.disclaim(message, Reason::NotFound, out);
                    self.ledger.remove(message);
                }
            }
            RowContent::Notice { ends, .. } => {
                out.extend(ends.map(|row| Effect::Write(Write::Remove { row })));
            }
        }
        out.push(Effect::Write(Write::Remove { row: number }));
    }

    pub(super) fn remove_tenant(&mut self, tenant: &TenantId, now: Now, out: &mut Vec<Effect>) {
        let members = self.roster.iter().filter(|(_, agent)| agent.tenant == *tenant);
        let members: Vec<_> = members.map(|(_, agent)| agent.did.clone()).collect();
        for did in members {
            self.remove_agent(&did, now, out);
        }
        self.tenants.remove(tenant);
    }

    /// Takes one row of the store into account. Rows of mailboxes whose owner no longer exists are removed.
    pub fn restore(&mut self, found: RestoredRow, known: &dyn KnownAgents, out: &mut Vec<Effect>) {
        let sender = self.meet(found.peer.as_str(), known);
        if let (Kind::Message, Some(sender)) = (found.kind, sender) {
            let message = MessageKey { sender, id: found.id };
            self.ledger.insert(message, found.digest, State::Answered(SendStatus::Stored), found.accepted);
        }
        if !found.waiting {
            return;
        }
        let Some(mailbox) = self.meet(found.recipient.as_str(), known) else {
            return out.push(Effect::Write(Write::Remove { row: found.row }));
        };
        let content = match found.kind {
            Kind::Message => RowContent::Message { sender },
            Kind::Notice(outcome) => RowContent::Notice {
                about: found.peer.as_str().into(),
                outcome,
                at: found.accepted,
                ends: None,
            },
        };
        self.index_row(mailbox, found.row, found.id, found.size as usize, found.expires, content, true);
    }

    fn meet(&mut self, did: &str, known: &dyn KnownAgents) -> Option<AgentKey> {
        if let Some(key) = self.roster.find(did) {
            return Some(key);
        }
        let tenant = known.tenant_of(did)?;
        Some(self.roster.add(Agent::new(did.into(), tenant)))
    }
}
