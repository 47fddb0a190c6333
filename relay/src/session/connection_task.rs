//! Handles the frames of one connection, both before and after registration: turns them into
//! commands for the hub, limits their rate, and verifies registrations.

use std::sync::Arc;

use protocol::Reason;
use protocol::close::CloseCode;
use protocol::frame::{ChallengeParams, ChallengeResult, RegisterParams};
use protocol::limits::CHALLENGE_TTL;
use protocol::multikey;
use tokio_tungstenite::tungstenite::Utf8Bytes;

use super::challenge::{OutstandingChallenge, covers};
use super::frame_reader::FrameReader;
use super::request::{ClientRequest, Query, parse};
use super::request_rate::RequestRate;
use super::trace::send_span;
use crate::core::{NewSession, RequestId};
use crate::hub::{Command, CommandBatch, Connection, Hub, RequestRefusal};

/// Unreadable frames before the connection is closed. A client with a bug first gets errors that
/// say what is wrong.
const UNREADABLE_MAX: u32 = 16;

/// Frames of one turn. They take about 100 µs, during which nobody else is served on this thread.
const TURN_FRAMES_MAX: usize = 32;

/// Answers a query about other agents.
pub(super) type AnswerQuery = fn(&ConnectionTask, RequestId, Query) -> Command<'static>;

/// A `relay.register` that is not answered yet.
pub(super) type Registration = (RequestId, Box<RegisterParams>);

/// The result of one turn.
struct Turn {
    /// Frames that were handled, the registration included.
    handled: usize,
    /// The last one takes as long as many others: a page of agents, or a registration, which is not
    /// executed yet.
    is_long: bool,
    registration: Option<Registration>,
}

pub(super) struct ConnectionTask {
    pub(super) hub: Arc<Hub>,
    pub(super) connection: Arc<Connection>,
    reader: FrameReader,
    challenge: OutstandingChallenge,
    requests: RequestRate,
    unreadable: u32,
}

impl ConnectionTask {
    pub(super) fn new(hub: Arc<Hub>, connection: Arc<Connection>, leftover: &[u8]) -> Self {
        Self {
            reader: FrameReader::new(Arc::clone(&hub), Arc::clone(&connection), leftover),
            challenge: OutstandingChallenge::default(),
            requests: RequestRate::new(hub.now_ms()),
            unreadable: 0,
            hub,
            connection,
        }
    }

    /// Handles frames up to the next registration. `None` when the connection ends.
    pub(super) async fn next_registration(&mut self, answer: AnswerQuery) -> Option<Registration> {
        loop {
            let mut frames = self.reader.next_frames().await?;
            let Turn { handled, is_long, registration } = self.execute_turn(&frames, answer);
            if is_long || handled < frames.len() {
                self.reader.end_turn();
            }
            self.reader.put_back(frames.split_off(handled));
            if registration.is_some() {
                self.reader.wait_for_turn().await;
                return registration;
            }
        }
    }

    /// Executes the frames of one turn as one batch, under one lock.
    fn execute_turn(&mut self, frames: &[Utf8Bytes], answer: AnswerQuery) -> Turn {
        let mut batch = CommandBatch::default();
        let (mut handled, mut is_long, mut registration) = (0, false, None);
        // Spans of the few sends that continue a trace. They end when the core has decided.
        let mut spans = Vec::new();
        for frame in frames.iter().take(TURN_FRAMES_MAX) {
            handled += 1;
            match parse(frame) {
                ClientRequest::Register { id, params } => registration = Some((id, params)),
                request => {
                    spans.extend(send_span(&request));
                    batch.extend(self.command_for(request, answer));
                }
            }
            is_long = registration.is_some() || batch.ends_with_page();
            if is_long {
                break;
            }
        }
        self.hub.execute(&self.connection, batch);
        drop(spans);
        if self.unreadable > UNREADABLE_MAX {
            self.hub.close_connection(&self.connection, CloseCode::Malformed);
        }
        Turn { handled, is_long, registration }
    }

    fn command_for<'a>(&mut self, request: ClientRequest<'a>, answer: AnswerQuery) -> Option<Command<'a>> {
        if request.counts()
            && let Err(refusal) = self.requests.take(self.hub.now_ms())
        {
            return Some(Command::Refuse { id: Some(request.into_id()?), refusal });
        }
        match request {
            ClientRequest::Send { id, routing, envelope } => Some(Command::send(id, routing, envelope)),
            ClientRequest::Ack(ack) => Some(Command::Ack(ack)),
            ClientRequest::RefuseDelivery(refusal) => Some(Command::RefuseDelivery(refusal)),
            ClientRequest::Register { .. } => None,
            ClientRequest::Challenge { id, params } => Some(self.issue_challenge(id, params)),
            ClientRequest::Query { id, query } => Some(answer(self, id, query)),
            ClientRequest::Invalid { id, refusal } => {
                self.unreadable += u32::from(id.is_none());
                Some(Command::Refuse { id, refusal })
            }
            ClientRequest::Ignored => None,
        }
    }

    fn issue_challenge(&mut self, id: RequestId, params: ChallengeParams) -> Command<'static> {
        let domain = self.hub.directory().domain().clone();
        if !covers(&self.connection.principal, &params.did, &domain) {
            return Command::Refuse { id: Some(id), refusal: Reason::Forbidden.into() };
        }
        let nonce: [u8; 32] = rand::random();
        self.challenge.issue(params.did, nonce, self.hub.now_ms());
        let result = ChallengeResult { nonce, domain, expires: CHALLENGE_TTL.as_secs() };
        Command::Challenged { id, result }
    }

    /// Registers the agent and opens its session. False if it was refused.
    pub(super) async fn register(&mut self, (id, params): Registration) -> bool {
        let root_key = match self.try_register(&params).await {
            Ok(root_key) => root_key,
            Err(refusal) => {
                self.hub.execute(&self.connection, Command::Refuse { id: Some(id), refusal });
                return false;
            }
        };
        let tenant = self.connection.principal.tenant.clone();
        let opened = NewSession { conn: self.connection.id, did: params.did, tenant, request: id };
        self.reader.allow_large_frames();
        self.hub.open_session(&self.connection, opened, &root_key)
    }

    /// Returns the root key of the registered record.
    async fn try_register(&mut self, params: &RegisterParams) -> Result<String, RequestRefusal> {
        self.requests.take(self.hub.now_ms())?;
        if self.connection.did.get().is_some_and(|did| *did != params.did) {
            return Err(Reason::Forbidden.into());
        }
        let (directory, principal) = (self.hub.directory(), &self.connection.principal);
        let now_ms = self.hub.now_ms();
        let record = self.challenge.verify(params, principal, directory.domain(), now_ms)?;
        let on_file = directory.agent(&params.did).and_then(|known| known.record.clone());
        if on_file.is_none_or(|bytes| *bytes != *record.bytes) {
            self.hub.take_registration(&params.did)?;
        }
        let root_key = multikey::encode_ed25519(&record.keys.root);
        let published = directory.publish(principal, &params.did, record).await;
        published.map_err(|error| RequestRefusal {
            quota: error.quota(),
            ..RequestRefusal::with_detail(error.reason(), &error.to_string())
        })?;
        Ok(root_key)
    }
}
