//! A connection whose API key was accepted and whose agent has not registered yet.

use std::sync::Arc;

use protocol::Reason;

use super::connection_task::ConnectionTask;
use super::registered::RegisteredConnection;
use super::request::Query;
use super::request_handler::RequestHandler;
use crate::core::RequestId;
use crate::hub::{Command, Connection, Hub};

pub(super) struct UnregisteredConnection(ConnectionTask);

impl UnregisteredConnection {
    pub(super) fn new(hub: Arc<Hub>, connection: Arc<Connection>, leftover: &[u8]) -> Self {
        Self(ConnectionTask::new(hub, connection, leftover))
    }

    /// Runs until the agent registers. `None` if the connection ends before.
    pub(super) async fn run(mut self) -> Option<RegisteredConnection> {
        loop {
            let registration = self.0.next_registration(refuse_query).await?;
            if self.0.register(registration).await {
                return Some(RegisteredConnection::new(self.0));
            }
        }
    }
}

/// Other agents are visible to registered agents only.
fn refuse_query(_handler: &RequestHandler, id: RequestId, _query: Query) -> Command<'static> {
    Command::Refuse { id: Some(id), refusal: Reason::NotRegistered.into() }
}
