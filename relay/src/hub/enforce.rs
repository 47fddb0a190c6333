//! What the directory no longer allows ends here, before the change is answered.

use std::sync::Arc;

use protocol::close::CloseCode;

use super::Hub;
use crate::core::Event;
use crate::directory::Change;
use crate::session::Connection;

impl Hub {
    /// Closes every connection the change is about. When it returns, none of them can send, acknowledge or receive.
    pub fn apply(&self, change: &Change) {
        let code = match change {
            Change::KeyRevoked(_) | Change::AgentRemoved(_) | Change::TenantRemoved(_) => {
                CloseCode::CredentialRevoked
            }
            Change::AgentSuspended(_) | Change::TenantSuspended(_) => CloseCode::Suspended,
        };
        self.locked(|state| {
            let affected: Vec<Arc<Connection>> =
                state.connections.values().filter(|c| concerns(change, c)).cloned().collect();
            for connection in affected {
                state.step(Event::Closed { conn: connection.id }, self.now(), &*self.directory);
                state.close(connection.id, code);
            }
            match change {
                Change::AgentRemoved(did) => {
                    let event = Event::Removed { did: did.as_str() };
                    state.step(event, self.now(), &*self.directory);
                }
                Change::TenantRemoved(tenant) => {
                    state.step(Event::TenantRemoved { tenant }, self.now(), &*self.directory);
                }
                _ => {}
            }
        });
    }
}

fn concerns(change: &Change, connection: &Connection) -> bool {
    let principal = &connection.principal;
    match change {
        Change::KeyRevoked(id) => principal.key_id == *id,
        Change::AgentRemoved(did) | Change::AgentSuspended(did) => {
            connection.did.get() == Some(did) || principal.agent.as_ref() == Some(did)
        }
        Change::TenantSuspended(tenant) | Change::TenantRemoved(tenant) => principal.tenant == *tenant,
    }
}
