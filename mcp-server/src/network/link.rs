//! The network by way of the SDK: one agent, connected as long as the process lives.
//!
//! [`Link::keep`] owns the connection. A relay that cannot be reached, or does not let the agent in, is tried for ever; settings
//! that cannot be used end the process. One DID has one session: when another process of the agent takes it, this one yields and takes it back only when
//! a tool call needs it.

use std::time::Duration;

use daemon::readiness::Check;
use msg2agent::{Agent, Config, Error};
use tokio::sync::{Notify, watch};

use super::Session;
use crate::mailbox::Mailbox;
use crate::metrics::Metrics;
use crate::refusal::Refusal;

mod arrivals;
mod calls;
mod standing;

use standing::{Next, State, next, session, stays_ready, unavailable};

/// How long a call waits for a connection that is being made. Together with the answer's time and the longest wait for a
/// reply it stays below the 60 s after which common clients give up.
const CONNECT_WAIT: Duration = Duration::from_secs(5);
/// How long a call waits for the relay's answer, reconnects included.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(12);

pub struct Link {
    config: Config,
    state: watch::Sender<State>,
    /// A tool call needs the session that was yielded.
    wanted: Notify,
}

impl Link {
    #[must_use]
    pub fn new(config: Config) -> Self {
        let config = config.with_answer_timeout(ANSWER_TIMEOUT);
        Self { config, state: watch::Sender::new(State::Connecting(None)), wanted: Notify::new() }
    }

    /// Keeps the agent connected and its messages coming, until the future is dropped or the agent cannot go on: settings,
    /// keys or a state folder that cannot be used.
    pub async fn keep(&self, mailbox: &Mailbox, metrics: &Metrics, ready: &Check) -> Error {
        let mut registered = false;
        loop {
            let error = match Agent::connect(self.config.clone()).await {
                Ok(agent) => {
                    registered = true;
                    self.serve(agent, mailbox, metrics, ready).await
                }
                Err(error) => error,
            };
            match next(error.kind()) {
                Next::Stop => return error,
                Next::Yield => self.wait_until_wanted(metrics).await,
                Next::Retry(pause) => {
                    tracing::warn!(error = error.chain(), "not connected to the relay; trying again");
                    self.state.send_replace(State::Connecting(error.reason()));
                    metrics.session(session(error.reason()));
                    tell(ready, &error, registered);
                    tokio::time::sleep(pause).await;
                }
            }
        }
    }

    async fn serve(&self, agent: Agent, mailbox: &Mailbox, metrics: &Metrics, ready: &Check) -> Error {
        self.state.send_replace(State::Up(agent.clone()));
        tokio::select! {
            error = agent.ended() => error,
            () = follow(&agent, metrics, ready) => agent.ended().await,
            () = arrivals::receive(&agent, mailbox, metrics) => agent.ended().await,
        }
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
        self.state.send_replace(State::Connecting(None));
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
        self.state.borrow().session()
    }

    /// The agent, once it is connected; takes a yielded session back.
    async fn connected(&self) -> Result<Agent, Refusal> {
        if self.session() == Session::Yielded {
            self.wanted.notify_waiters();
        }
        if self.state.borrow().is_shut() {
            return Err(unavailable(self.state.borrow().refused()));
        }
        let online = async {
            let mut states = self.state.subscribe();
            let state = states.wait_for(|state| matches!(state, State::Up(_))).await.ok()?.clone();
            let State::Up(agent) = state else { return None };
            agent.watch_connection().wait_for(msg2agent::ConnectionState::is_online).await.ok()?;
            Some(agent)
        };
        let agent = tokio::time::timeout(CONNECT_WAIT, online).await;
        agent.ok().flatten().ok_or_else(|| unavailable(self.state.borrow().refused()))
    }
}

/// Keeps gauge and readiness; returns when the agent has ended.
async fn follow(agent: &Agent, metrics: &Metrics, ready: &Check) {
    let mut link = agent.watch_connection();
    loop {
        let now = link.borrow_and_update().clone();
        metrics.session(State::Up(agent.clone()).session());
        match now {
            msg2agent::ConnectionState::Connecting { last_error: Some(error), .. } => {
                tell(ready, &error, true)
            }
            _ => ready.pass(),
        }
        if link.changed().await.is_err() {
            return;
        }
    }
}

/// What readiness says while there is no connection.
fn tell(ready: &Check, error: &Error, registered: bool) {
    let said = match error.reason() {
        Some(reason) => format!("the relay does not let this agent in: {}", reason.as_str()),
        None => format!("not connected to the relay: {error}"),
    };
    if stays_ready(registered, error.reason()) { ready.pass_with(said) } else { ready.fail(said) }
}
