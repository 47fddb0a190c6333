//! The tools' questions, put to the SDK, and its failures in the tools' words.

use std::time::Duration;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use msg2agent::{Error, ErrorKind, Message, RequestOutcome, SendOptions};
use protocol::Did;
use protocol::frame::{DiscoverParams, DiscoverResult};

use super::{Link, arrivals};
use crate::network::{Acknowledge, Answer, Found, Me, Network, Outgoing, Sent, Session};
use crate::refusal::Refusal;

/// Time that waiting messages get to arrive after a session was taken back.
const SETTLE: Duration = Duration::from_millis(500);

impl Network for Link {
    fn me(&self) -> Me {
        Me { did: self.config.did().clone(), card: self.config.card().clone(), session: self.session() }
    }

    fn refresh(&self) -> BoxFuture<'_, ()> {
        async move {
            if self.session() != Session::Connected && self.connected().await.is_ok() {
                tokio::time::sleep(SETTLE).await;
            }
        }
        .boxed()
    }

    fn send(&self, message: Outgoing) -> BoxFuture<'_, Result<Sent, Refusal>> {
        async move {
            let agent = self.connected().await?;
            let options = options(&message);
            let sent = agent.send_with(&message.to, message.content, options).await.map_err(refusal)?;
            Ok(Sent { id: sent.id, status: sent.status })
        }
        .boxed()
    }

    fn request(&self, message: Outgoing, wait: Duration) -> BoxFuture<'_, Result<Answer, Refusal>> {
        async move {
            let agent = self.connected().await?;
            let options = options(&message);
            let asked = agent.try_request_with(&message.to, message.content, wait, options).await;
            let RequestOutcome { sent, answer } = asked.map_err(refusal)?;
            let sent = Sent { id: sent.id, status: sent.status };
            Ok(Answer { sent, reply: answer.map(arrivals::kept) })
        }
        .boxed()
    }

    fn discover(&self, query: DiscoverParams) -> BoxFuture<'_, Result<DiscoverResult, Refusal>> {
        async move { self.connected().await?.discover_page(&query).await.map_err(refusal) }.boxed()
    }

    fn lookup(&self, did: &Did) -> BoxFuture<'_, Result<Found, Refusal>> {
        let did = did.clone();
        async move { self.connected().await?.lookup(&did).await.map_err(refusal) }.boxed()
    }
}

impl Acknowledge for Message {
    fn acknowledge(self: Box<Self>) -> BoxFuture<'static, Result<(), Refusal>> {
        async move { self.ack().await.map_err(refusal) }.boxed()
    }
}

/// Of a request that waits, the SDK makes the kind `request` by itself.
fn options(message: &Outgoing) -> SendOptions {
    SendOptions {
        id: message.id,
        r#type: message.kind,
        thread: message.thread.clone(),
        re: message.re,
        ..SendOptions::default()
    }
}

fn refusal(error: Error) -> Refusal {
    let retry_after_ms = error.retry_after().and_then(|after| u64::try_from(after.as_millis()).ok());
    if let Some(reason) = error.reason() {
        return Refusal::Relay { reason, retry_after_ms, quota: error.quota() };
    }
    match error.kind() {
        ErrorKind::Timeout => Refusal::RelayTimeout,
        ErrorKind::Connect | ErrorKind::Unauthorized => Refusal::RelayUnreachable,
        ErrorKind::Closed | ErrorKind::Replaced => Refusal::Interrupted,
        ErrorKind::Unverified => Refusal::Unverified,
        ErrorKind::KeyChanged => Refusal::KeyChanged,
        ErrorKind::Message => Refusal::TooLarge,
        _ => {
            tracing::error!(error = error.chain(), "a tool call failed");
            Refusal::Internal
        }
    }
}
