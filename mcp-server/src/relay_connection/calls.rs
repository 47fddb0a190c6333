//! The calls of the tools, made with the SDK, and the SDK's errors as errors of the network.

use std::time::Duration;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use msg2agent::{Error, ErrorKind, Message, SendOptions};
use protocol::Did;
use protocol::frame::{DiscoverParams, DiscoverResult};

use super::{RelayConnection, incoming};
use crate::network::{
    Acknowledge, Contact, Network, NetworkError, OutgoingMessage, OwnAgent, RequestOutcome, SentMessage,
    SessionStatus,
};

/// How long messages that waited at the relay get to arrive after the session was taken back.
const ARRIVAL_GRACE: Duration = Duration::from_millis(500);

impl Network for RelayConnection {
    fn own_agent(&self) -> OwnAgent {
        OwnAgent { did: self.config.did().clone(), card: self.config.card().clone(), session: self.status() }
    }

    fn ensure_connected(&self) -> BoxFuture<'_, ()> {
        async move {
            if self.status() != SessionStatus::Connected && self.connected_agent().await.is_ok() {
                tokio::time::sleep(ARRIVAL_GRACE).await;
            }
        }
        .boxed()
    }

    fn send(&self, message: OutgoingMessage) -> BoxFuture<'_, Result<SentMessage, NetworkError>> {
        async move {
            let agent = self.connected_agent().await?;
            let options = options(&message);
            let sent = agent.send_with(&message.to, message.content, options).await;
            let sent = sent.map_err(network_error)?;
            Ok(SentMessage { id: sent.id, status: sent.status })
        }
        .boxed()
    }

    fn request(
        &self,
        message: OutgoingMessage,
        wait: Duration,
    ) -> BoxFuture<'_, Result<RequestOutcome, NetworkError>> {
        async move {
            let agent = self.connected_agent().await?;
            let options = options(&message);
            let asked = agent.try_request_with(&message.to, message.content, wait, options).await;
            let msg2agent::RequestOutcome { sent, answer } = asked.map_err(network_error)?;
            let sent = SentMessage { id: sent.id, status: sent.status };
            Ok(RequestOutcome { sent, reply: answer.map(incoming::into_received) })
        }
        .boxed()
    }

    fn discover(&self, query: DiscoverParams) -> BoxFuture<'_, Result<DiscoverResult, NetworkError>> {
        async move {
            let agent = self.connected_agent().await?;
            agent.discover_page(&query).await.map_err(network_error)
        }
        .boxed()
    }

    fn lookup(&self, did: &Did) -> BoxFuture<'_, Result<Contact, NetworkError>> {
        let did = did.clone();
        async move { self.connected_agent().await?.lookup(&did).await.map_err(network_error) }.boxed()
    }
}

impl Acknowledge for Message {
    fn acknowledge(self: Box<Self>) -> BoxFuture<'static, Result<(), NetworkError>> {
        async move { self.ack().await.map_err(network_error) }.boxed()
    }
}

/// The SDK itself sets the type `request` of a message whose reply it waits for.
fn options(message: &OutgoingMessage) -> SendOptions {
    SendOptions {
        id: message.id,
        r#type: message.kind,
        thread: message.thread.clone(),
        re: message.re,
        ..SendOptions::default()
    }
}

fn network_error(error: Error) -> NetworkError {
    let retry_after_ms = error.retry_after().and_then(|after| u64::try_from(after.as_millis()).ok());
    // An agent that ended while a request was under way leaves the outcome open, whatever ended it.
    if let Some(reason) = error.reason().filter(|_| !(error.is_closed() && error.may_have_been_sent())) {
        return NetworkError::Relay { reason, retry_after_ms, quota: error.quota() };
    }
    let possibly_sent = error.may_have_been_sent();
    match error.kind() {
        ErrorKind::Timeout if possibly_sent => NetworkError::RelayTimeout,
        _ if possibly_sent && error.is_closed() => NetworkError::Interrupted,
        ErrorKind::Timeout
        | ErrorKind::Connect
        | ErrorKind::Unauthorized
        | ErrorKind::Closed
        | ErrorKind::Replaced
        | ErrorKind::InUse => NetworkError::RelayUnreachable,
        ErrorKind::Unverified => NetworkError::Unverified,
        ErrorKind::KeyChanged => NetworkError::KeyChanged,
        ErrorKind::Message => NetworkError::TooLarge,
        _ => {
            tracing::error!(error = error.chain(), "a tool call failed");
            NetworkError::Internal
        }
    }
}
