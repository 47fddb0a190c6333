//! A connection whose agent has registered and has a session.

use super::connection_task::ConnectionTask;
use super::discovery;
use super::request::Query;
use super::request_handler::RequestHandler;
use crate::core::RequestId;
use crate::hub::Command;

pub(super) struct RegisteredConnection(ConnectionTask);

impl RegisteredConnection {
    pub(super) const fn new(task: ConnectionTask) -> Self {
        Self(task)
    }

    /// Runs to the end of the connection. The agent may register again, with a newer record.
    pub(super) async fn run(mut self) {
        while let Some(registration) = self.0.next_registration(answer_query).await {
            self.0.register(registration).await;
        }
    }
}

fn answer_query(handler: &RequestHandler, id: RequestId, query: Query) -> Command<'static> {
    discovery::answer(handler.hub.directory(), &handler.connection.principal.tenant, id, query)
}
