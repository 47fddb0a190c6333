//! The place of one connection in the shares of its key, agent and tenant, for as long as it lasts.

use std::sync::{Arc, Mutex};

use protocol::quota::Quota;

use super::Hub;
use super::connection_shares::ConnectionShares;
use crate::directory::Principal;
use crate::poison::exit_if_poisoned;

/// The table, shared by all connections.
pub(super) type SharedConnectionShares = Arc<Mutex<ConnectionShares>>;

const STATE: &str = "the table of connection shares";

/// Gives its place back when it is dropped.
#[derive(Debug)]
pub(crate) struct ConnectionShare {
    shares: SharedConnectionShares,
    principal: Principal,
}

impl Hub {
    /// Takes a place for one connection.
    ///
    /// # Errors
    /// The share that is used up.
    pub(crate) fn take_connection(&self, principal: &Principal) -> Result<ConnectionShare, Quota> {
        exit_if_poisoned(self.connection_shares.lock(), STATE).take(principal)?;
        Ok(ConnectionShare { shares: Arc::clone(&self.connection_shares), principal: principal.clone() })
    }
}

impl Drop for ConnectionShare {
    fn drop(&mut self) {
        exit_if_poisoned(self.shares.lock(), STATE).release(&self.principal);
    }
}
