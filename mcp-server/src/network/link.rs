//! The network by way of the SDK: one agent, connected as long as the process lives.
//!
//! [`Link::keep`] owns the connection. It starts over when the SDK gives up on a relay that may come back, and when another
//! session of the same DID took over, which an operator can end; settings that cannot be used end the process.

use std::time::Duration;

use daemon::readiness::Check;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use msg2agent::{Agent, Asked, Config, Error, ErrorKind, Message, SendOptions};
use protocol::Did;
use protocol::envelope::MessageType;
use protocol::frame::{DiscoverParams, DiscoverResult};
use tokio::sync::watch;

use super::{Acknowledge, Answer, Found, Me, Network, Outgoing, Sent};
use crate::inbox::{Head, Received};
use crate::mailbox::Mailbox;
use crate::metrics::Metrics;
use crate::refusal::Refusal;

/// How long a call waits for a connection that is being made. Together with the answer's time and the longest wait for a
/// reply it stays below the 60 s after which common clients give up.
const CONNECT_WAIT: Duration = Duration::from_secs(5);
/// How long a call waits for the relay's answer, reconnects included.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(12);
/// Pause before connecting again after the SDK gave up; its own delays inside a connection are shorter.
const PAUSE: Duration = Duration::from_secs(5);
/// The same after another session took over: two processes with one identity must not chase each other.
const REPLACED_PAUSE: Duration = Duration::from_secs(60);

pub struct Link {
    config: Config,
    agent: watch::Sender<Option<Agent>>,
}

impl Link {
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self { config: config.with_answer_timeout(ANSWER_TIMEOUT), agent: watch::Sender::new(None) }
    }

    /// Keeps the agent connected and its messages coming, until the future is dropped.
    ///
    /// # Errors
    /// Settings, keys or a state folder that cannot be used.
    pub async fn keep(&self, mailbox: &Mailbox, metrics: &Metrics, ready: &Check) -> Error {
        loop {
            let error = match Agent::connect(self.config.clone()).await {
                Ok(agent) => self.serve(agent, mailbox, metrics, ready).await,
                Err(error) => error,
            };
            metrics.link(false);
            let Some(pause) = pause(error.kind()) else { return error };
            tracing::warn!(error = error.chain(), pause_seconds = pause.as_secs(), "not connected to the relay");
            ready.fail(format!("not connected to the relay: {error}"));
            tokio::time::sleep(pause).await;
        }
    }

    async fn serve(&self, agent: Agent, mailbox: &Mailbox, metrics: &Metrics, ready: &Check) -> Error {
        self.agent.send_replace(Some(agent.clone()));
        // Later breaks are told by each call and by the metric; clients can still read what is here.
        ready.pass();
        let error = tokio::select! {
            error = agent.ended() => error,
            () = follow(&agent, metrics) => agent.ended().await,
            () = receive(&agent, mailbox, metrics) => agent.ended().await,
        };
        self.agent.send_replace(None);
        error
    }

    /// Ends the connection in an orderly way, if there is one.
    pub async fn close(&self) {
        let agent = self.agent.borrow().clone();
        if let Some(agent) = agent {
            agent.close().await;
        }
    }

    /// The agent, once it is connected.
    async fn connected(&self) -> Result<Agent, Refusal> {
        let online = async {
            let mut agents = self.agent.subscribe();
            let agent = agents.wait_for(Option::is_some).await.ok()?.clone()?;
            let mut link = agent.watch_link();
            link.wait_for(msg2agent::Link::is_online).await.ok()?;
            Some(agent)
        };
        let agent = tokio::time::timeout(CONNECT_WAIT, online).await;
        agent.ok().flatten().ok_or(Refusal::RelayUnreachable)
    }
}

impl Network for Link {
    fn me(&self) -> Me {
        let agent = self.agent.borrow();
        Me {
            did: self.config.did().clone(),
            card: self.config.card().clone(),
            connected: agent.as_ref().is_some_and(|agent| agent.link().is_online()),
        }
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
            let asked = agent.ask_with(&message.to, message.content, wait, options).await;
            let Asked { sent, answer } = asked.map_err(refusal)?;
            let sent = Sent { id: sent.id, status: sent.status };
            Ok(Answer { sent, reply: answer.map(|answer| (received(&answer), token(answer))) })
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

/// Brings messages to the mailbox while it has room; returns when the agent has ended.
async fn receive(agent: &Agent, mailbox: &Mailbox, metrics: &Metrics) {
    let mut inbox = agent.inbox();
    loop {
        mailbox.has_room().await;
        let Some(message) = inbox.next().await else { return };
        // Somebody writes, and nothing more: there is nothing to keep.
        if message.message_type() == MessageType::Typing {
            continue;
        }
        mailbox.put(received(&message), token(message)).await;
        metrics.inbox(mailbox.totals());
    }
}

/// Keeps the gauge; returns when the agent has ended.
async fn follow(agent: &Agent, metrics: &Metrics) {
    let mut link = agent.watch_link();
    loop {
        metrics.link(link.borrow_and_update().is_online());
        if link.changed().await.is_err() {
            return;
        }
    }
}

fn token(message: Message) -> Box<dyn Acknowledge> {
    Box::new(message)
}

fn received(message: &Message) -> Received {
    let head = Head {
        id: message.id(),
        from: message.from().clone(),
        key_id: message.key_id().clone(),
        kind: message.message_type(),
        thread: message.thread().map(str::to_owned),
        re: message.re(),
        time: message.time(),
    };
    Received { head, content: message.content().clone() }
}

/// A message that answers another one is a response, so that a request that waits for it ends; any other one is an event.
/// A request is made a request by the SDK.
fn options(message: &Outgoing) -> SendOptions {
    let r#type = if message.re.is_some() { MessageType::Response } else { MessageType::Event };
    SendOptions { r#type, thread: message.thread.clone(), re: message.re, ..SendOptions::default() }
}

/// `None` when trying again is useless.
fn pause(kind: ErrorKind) -> Option<Duration> {
    match kind {
        ErrorKind::Config | ErrorKind::KeyFile | ErrorKind::State => None,
        ErrorKind::Replaced => Some(REPLACED_PAUSE),
        _ => Some(PAUSE),
    }
}

fn refusal(error: Error) -> Refusal {
    let retry_after_ms = error.retry_after().and_then(|after| u64::try_from(after.as_millis()).ok());
    match error.kind() {
        ErrorKind::Rejected(reason) | ErrorKind::Registration(reason) => Refusal::Relay { reason, retry_after_ms },
        ErrorKind::Timeout => Refusal::RelayTimeout,
        ErrorKind::Connect | ErrorKind::Closed | ErrorKind::Replaced | ErrorKind::Unauthorized => {
            Refusal::RelayUnreachable
        }
        ErrorKind::Unverified => Refusal::Unverified,
        ErrorKind::KeyChanged => Refusal::KeyChanged,
        ErrorKind::Message => Refusal::TooLarge,
        _ => {
            tracing::error!(error = error.chain(), "a tool call failed");
            Refusal::Internal
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::{did, message_id};
    use msg2agent::Content;

    fn outgoing(re: Option<u64>) -> Outgoing {
        Outgoing { to: did("bob"), content: Content::text("hi"), thread: None, re: re.map(message_id) }
    }

    #[test]
    fn a_message_that_answers_another_one_is_a_response() {
        assert_eq!(options(&outgoing(None)).r#type, MessageType::Event);
        let answer = options(&outgoing(Some(1)));
        assert_eq!((answer.r#type, answer.re), (MessageType::Response, Some(message_id(1))));
    }

    #[test]
    fn only_what_somebody_must_repair_in_the_settings_ends_the_process() {
        for kind in [ErrorKind::Config, ErrorKind::KeyFile, ErrorKind::State] {
            assert_eq!(pause(kind), None, "{kind:?}");
        }
        for kind in [ErrorKind::Connect, ErrorKind::Unauthorized, ErrorKind::Closed] {
            assert_eq!(pause(kind), Some(PAUSE), "{kind:?}");
        }
        assert_eq!(pause(ErrorKind::Replaced), Some(REPLACED_PAUSE));
    }
}
