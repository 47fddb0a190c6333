//! Closes the sessions that a revocation ends, before the change of the directory is answered.

use std::sync::Arc;

use protocol::close::CloseCode;

use super::Hub;
use super::connection::Connection;
use crate::core::Event;
use crate::directory::Revocation;

impl Hub {
    /// Closes every connection that the revocation concerns. When it returns, none of them can
    /// send, acknowledge or receive.
    pub fn enforce(&self, revocation: &Revocation) {
        let code = match revocation {
            Revocation::KeyRevoked(_)
            | Revocation::AgentRemoved(_)
            | Revocation::AgentReleased(_)
            | Revocation::TenantRemoved(_)
            | Revocation::TenantReleased(_) => CloseCode::CredentialRevoked,
            Revocation::AgentSuspended(_) | Revocation::TenantSuspended(_) => CloseCode::Suspended,
        };
        self.with_state(|state| {
            let affected: Vec<Arc<Connection>> =
                state.connections.values().filter(|c| concerns(revocation, c)).cloned().collect();
            for connection in affected {
                state.step(Event::Closed { conn: connection.id }, self.now(), &*self.directory);
                state.close(connection.id, code);
            }
            match revocation {
                Revocation::AgentRemoved(did) => {
                    let event = Event::AgentRemoved { did: did.as_str() };
                    state.step(event, self.now(), &*self.directory);
                }
                Revocation::TenantRemoved(tenant) => {
                    state.step(Event::TenantRemoved { tenant }, self.now(), &*self.directory);
                }
                _ => {}
            }
        });
    }
}

fn concerns(revocation: &Revocation, connection: &Connection) -> bool {
    let principal = &connection.principal;
    match revocation {
        Revocation::KeyRevoked(id) => principal.key_id == *id,
        Revocation::AgentRemoved(did) | Revocation::AgentReleased(did) | Revocation::AgentSuspended(did) => {
            connection.did.get() == Some(did) || principal.agent.as_ref() == Some(did)
        }
        Revocation::TenantSuspended(tenant)
        | Revocation::TenantRemoved(tenant)
        | Revocation::TenantReleased(tenant) => principal.tenant == *tenant,
    }
}
