//! Removes agents and tenants that no longer exist, with their sessions and mailboxes.

use std::sync::Arc;

use protocol::Reason;
use protocol::did::TenantId;
use protocol::frame::Outcome;

use super::agent::{MailboxRow, RowContent, UndeliveredMessage};
use super::dedup::MessageKey;
use super::delivery_window::Content;
use super::{Core, Counter, Effect, Now, RowId, Write};

impl Core {
    pub(super) fn remove_agent(&mut self, did: &str, now: Now, out: &mut Vec<Effect>) {
        let Some(slot) = self.agents.find(did) else { return };
        let Some(agent) = self.agents.agent_mut(slot) else { return };
        let (did, session) = (agent.did.clone(), agent.session.take());
        let rows: Vec<RowId> = agent.rows.keys().copied().collect();
        if let Some(session) = session {
            self.sessions.remove(&session.conn);
            for delivery in session.into_in_flight() {
                self.drop_in_flight(delivery.content, out);
            }
        }
        for row in rows {
            let Some(removed) = self.remove_row(slot, row) else { continue };
            self.drop_row(&did, row, removed, now, out);
        }
        self.agents.remove(slot);
    }

    /// Drops a message that has no answer yet and whose recipient is gone.
    fn drop_in_flight(&mut self, content: Content, out: &mut Vec<Effect>) {
        let key = match content {
            Content::MemoryOnly(message) => {
                self.held_bytes -= message.envelope.len();
                message.key
            }
            Content::Unstored(key) => key,
            Content::Row(_) | Content::Ephemeral => return,
        };
        self.refuse_sender(key, Reason::NotFound, out);
        self.dedup.remove(key);
    }

    fn drop_row(
        &mut self,
        recipient: &Arc<str>,
        number: RowId,
        row: MailboxRow,
        now: Now,
        out: &mut Vec<Effect>,
    ) {
        match row.content {
            RowContent::Message { sender } if row.committed => {
                let (recipient, id, outcome) = (recipient.clone(), row.id, Outcome::Dropped);
                let dropped = UndeliveredMessage { sender, recipient, id, outcome, row: number };
                self.write_notice(dropped, now, out);
                return out.push(Effect::Count(Counter::Dropped));
            }
            RowContent::Message { sender } => {
                if let Some(key) = sender.map(|sender| MessageKey { sender, id: row.id }) {
                    self.refuse_sender(key, Reason::NotFound, out);
                    self.dedup.remove(key);
                }
            }
            RowContent::Notice { ends, .. } => {
                out.extend(ends.map(|row| Effect::Write(Write::Remove { row })));
            }
        }
        out.push(Effect::Write(Write::Remove { row: number }));
    }

    pub(super) fn remove_tenant(&mut self, tenant: &TenantId, now: Now, out: &mut Vec<Effect>) {
        let members = self.agents.iter().filter(|(_, agent)| agent.tenant == *tenant);
        let members: Vec<_> = members.map(|(_, agent)| agent.did.clone()).collect();
        for did in members {
            self.remove_agent(&did, now, out);
        }
        self.tenants.remove(tenant);
    }
}
