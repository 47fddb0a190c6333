//! Turns the requests of one connection into commands for the hub, limits their rate, and verifies
//! registrations.

use std::sync::Arc;

use protocol::Reason;
use protocol::close::CloseCode;
use protocol::frame::{ChallengeParams, ChallengeResult, RegisterParams};
use protocol::limits::CHALLENGE_TTL;
use protocol::multikey;

use super::challenge::{OutstandingChallenge, covers};
use super::request::{ClientRequest, Query};
use super::request_rate::RequestRate;
use crate::core::RequestId;
use crate::hub::{Command, Connection, Hub, RequestRefusal};

/// Unreadable frames before the connection is closed. A client with a bug first gets errors that
/// say what is wrong.
const UNREADABLE_MAX: u32 = 16;

/// Answers a query about other agents.
pub(super) type AnswerQuery = fn(&RequestHandler, RequestId, Query) -> Command<'static>;

pub(super) struct RequestHandler {
    pub(super) hub: Arc<Hub>,
    pub(super) connection: Arc<Connection>,
    challenge: OutstandingChallenge,
    requests: RequestRate,
    unreadable: u32,
}

impl RequestHandler {
    pub(super) fn new(hub: Arc<Hub>, connection: Arc<Connection>) -> Self {
        Self {
            challenge: OutstandingChallenge::default(),
            requests: RequestRate::new(hub.now_ms()),
            unreadable: 0,
            hub,
            connection,
        }
    }

    /// Closes the connection if it has sent too many frames that cannot be read.
    pub(super) fn close_unreadable(&self) {
        if self.unreadable > UNREADABLE_MAX {
            self.hub.close_connection(&self.connection, CloseCode::Malformed);
        }
    }

    /// The command of a request. `None` if it is not answered, or a registration.
    pub(super) fn command_for<'a>(
        &mut self,
        request: ClientRequest<'a>,
        answer: AnswerQuery,
    ) -> Option<Command<'a>> {
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

    /// Returns the root key of the registered record.
    pub(super) async fn try_register(&mut self, params: &RegisterParams) -> Result<String, RequestRefusal> {
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
