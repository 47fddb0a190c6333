//! Handles the frames of one connection in turns, both before and after registration.

use std::cell::OnceCell;
use std::sync::Arc;

use protocol::frame::RegisterParams;

use super::frame_reader::FrameReader;
use super::request::{ClientRequest, parse};
use super::request_handler::{AnswerQuery, RequestHandler};
use super::trace::send_span;
use crate::core::{NewSession, RequestId};
use crate::hub::{Command, CommandBatch, Connection, Hub};

/// Frames of one turn. They take about 100 µs, during which nobody else is served on this thread.
const TURN_FRAMES_MAX: usize = 32;

/// A `relay.register` that is not answered yet.
pub(super) type Registration = (RequestId, Box<RegisterParams>);

/// The result of one turn.
struct Turn {
    /// The last frame takes as long as many others: a page of agents, or a registration, which is
    /// not executed yet.
    is_long: bool,
    registration: Option<Registration>,
}

pub(super) struct ConnectionTask {
    handler: RequestHandler,
    reader: FrameReader,
}

impl ConnectionTask {
    pub(super) fn new(hub: Arc<Hub>, connection: Arc<Connection>, leftover: &[u8]) -> Self {
        let reader = FrameReader::new(Arc::clone(&hub), Arc::clone(&connection), leftover);
        Self { handler: RequestHandler::new(hub, connection), reader }
    }

    /// Handles frames up to the next registration. `None` when the connection ends.
    pub(super) async fn next_registration(&mut self, answer: AnswerQuery) -> Option<Registration> {
        while self.reader.fill().await {
            let Turn { is_long, registration } = self.execute_turn(answer);
            if is_long || self.reader.has_unread() {
                self.reader.end_turn();
            }
            if registration.is_some() {
                self.reader.wait_for_turn().await;
                return registration;
            }
        }
        None
    }

    /// Executes the frames of one turn as one batch, under one lock.
    fn execute_turn(&mut self, answer: AnswerQuery) -> Turn {
        let assembled = OnceCell::new();
        let mut frames = self.reader.frames(&assembled);
        let mut batch = CommandBatch::new();
        let (mut is_long, mut registration) = (false, None);
        // Spans of the few sends that continue a trace. They end when the core has decided.
        let mut spans = Vec::new();
        for frame in frames.by_ref().take(TURN_FRAMES_MAX) {
            match parse(frame) {
                ClientRequest::Register { id, params } => registration = Some((id, params)),
                request => {
                    spans.extend(send_span(&request));
                    batch.extend(self.handler.command_for(request, answer));
                }
            }
            is_long = registration.is_some() || batch.ends_with_page();
            if is_long {
                break;
            }
        }
        let unread = frames.input.len();
        self.handler.hub.execute(&self.handler.connection, batch);
        drop(spans);
        self.reader.release(unread, assembled.into_inner());
        self.handler.close_unreadable();
        Turn { is_long, registration }
    }

    /// Registers the agent and opens its session. False if it was refused. What this needs is
    /// boxed, so that a connection that has registered does not hold it.
    pub(super) async fn register(&mut self, (id, params): Registration) -> bool {
        let root_key = match Box::pin(self.handler.try_register(&params)).await {
            Ok(root_key) => root_key,
            Err(refusal) => {
                let refused = Command::Refuse { id: Some(id), refusal };
                self.handler.hub.execute(&self.handler.connection, refused);
                return false;
            }
        };
        let RequestHandler { hub, connection, .. } = &self.handler;
        let tenant = connection.principal.tenant.clone();
        let opened = NewSession { conn: connection.id, did: params.did, tenant, request: id };
        self.reader.allow_large_frames();
        hub.open_session(connection, opened, &root_key)
    }
}
