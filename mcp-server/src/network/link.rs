//! The network by way of the SDK: one agent, connected as long as the process lives.
//!
//! [`Link::keep`] owns the connection. A relay that cannot be reached is tried for ever; settings that cannot be used end the
//! process. One DID has one session: when another process of the agent takes it, this one yields and takes it back only when
//! a tool call needs it.

use std::time::Duration;

use daemon::readiness::Check;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use msg2agent::{Agent, Asked, Config, Error, ErrorKind, Message, SendOptions};
use protocol::Did;
use protocol::envelope::MessageType;
use protocol::frame::{DiscoverParams, DiscoverResult};
use tokio::sync::{Notify, watch};

use super::{Acknowledge, Answer, Found, Me, Network, Outgoing, Sent, Session};
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
/// Time that waiting messages get to arrive after a session was taken back.
const SETTLE: Duration = Duration::from_millis(500);

pub struct Link {
    config: Config,
    state: watch::Sender<State>,
    /// A tool call needs the session that was yielded.
    wanted: Notify,
}

#[derive(Clone)]
enum State {
    Connecting,
    Up(Agent),
    Yielded,
}

impl Link {
    #[must_use]
    pub fn new(config: Config) -> Self {
        let config = config.with_answer_timeout(ANSWER_TIMEOUT);
        Self { config, state: watch::Sender::new(State::Connecting), wanted: Notify::new() }
    }

    /// Keeps the agent connected and its messages coming, until the future is dropped or the agent cannot go on: settings,
    /// keys or a state folder that cannot be used.
    pub async fn keep(&self, mailbox: &Mailbox, metrics: &Metrics, ready: &Check) -> Error {
        loop {
            let error = match Agent::connect(self.config.clone()).await {
                Ok(agent) => self.serve(agent, mailbox, metrics, ready).await,
                Err(error) => error,
            };
            metrics.session(Session::Connecting);
            match next(error.kind()) {
                Next::Stop => return error,
                Next::Yield => self.wait_until_wanted(metrics).await,
                Next::Retry => {
                    tracing::warn!(error = error.chain(), "not connected to the relay; trying again");
                    ready.fail(format!("not connected to the relay: {error}"));
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    async fn serve(&self, agent: Agent, mailbox: &Mailbox, metrics: &Metrics, ready: &Check) -> Error {
        self.state.send_replace(State::Up(agent.clone()));
        // Later breaks are told by each call and by the metric; clients can still read what is here.
        ready.pass();
        let error = tokio::select! {
            error = agent.ended() => error,
            () = follow(&agent, metrics) => agent.ended().await,
            () = receive(&agent, mailbox, metrics) => agent.ended().await,
        };
        self.state.send_replace(State::Connecting);
        error
    }

    async fn wait_until_wanted(&self, metrics: &Metrics) {
        let wanted = self.wanted.notified();
        tokio::pin!(wanted);
        // Listens before saying so: a call that sees the state finds a listener.
        wanted.as_mut().enable();
        self.state.send_replace(State::Yielded);
        metrics.session(Session::Yielded);
        tracing::info!("another session of this agent took over; yielding until a call needs the session");
        wanted.await;
        self.state.send_replace(State::Connecting);
        metrics.session(Session::Connecting);
    }

    /// Ends the connection in an orderly way, if there is one.
    pub async fn close(&self) {
        let state = self.state.borrow().clone();
        if let State::Up(agent) = state {
            agent.close().await;
        }
    }

    fn session(&self) -> Session {
        match &*self.state.borrow() {
            State::Up(agent) if agent.link().is_online() => Session::Connected,
            State::Up(_) | State::Connecting => Session::Connecting,
            State::Yielded => Session::Yielded,
        }
    }

    /// The agent, once it is connected; takes a yielded session back.
    async fn connected(&self) -> Result<Agent, Refusal> {
        if self.session() == Session::Yielded {
            self.wanted.notify_waiters();
        }
        let online = async {
            let mut states = self.state.subscribe();
            let state = states.wait_for(|state| matches!(state, State::Up(_))).await.ok()?.clone();
            let State::Up(agent) = state else { return None };
            agent.watch_link().wait_for(msg2agent::Link::is_online).await.ok()?;
            Some(agent)
        };
        let agent = tokio::time::timeout(CONNECT_WAIT, online).await;
        agent.ok().flatten().ok_or(Refusal::RelayUnreachable)
    }
}

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
        let online = link.borrow_and_update().is_online();
        metrics.session(if online { Session::Connected } else { Session::Connecting });
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

#[derive(Debug, PartialEq, Eq)]
enum Next {
    /// Trying again is useless: somebody has to repair the settings.
    Stop,
    Yield,
    Retry,
}

fn next(kind: ErrorKind) -> Next {
    match kind {
        ErrorKind::Config | ErrorKind::KeyFile | ErrorKind::State => Next::Stop,
        ErrorKind::Replaced => Next::Yield,
        _ => Next::Retry,
    }
}

fn refusal(error: Error) -> Refusal {
    let retry_after_ms = error.retry_after().and_then(|after| u64::try_from(after.as_millis()).ok());
    match error.kind() {
        ErrorKind::Rejected(reason) | ErrorKind::Registration(reason) => {
            Refusal::Relay { reason, retry_after_ms }
        }
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
    fn a_session_that_was_taken_is_yielded_and_not_fought_for() {
        assert_eq!(next(ErrorKind::Replaced), Next::Yield);
    }

    #[test]
    fn only_what_somebody_must_repair_in_the_settings_ends_the_process() {
        for kind in [ErrorKind::Config, ErrorKind::KeyFile, ErrorKind::State] {
            assert_eq!(next(kind), Next::Stop, "{kind:?}");
        }
        for kind in [ErrorKind::Connect, ErrorKind::Unauthorized, ErrorKind::Closed] {
            assert_eq!(next(kind), Next::Retry, "{kind:?}");
        }
    }
}
