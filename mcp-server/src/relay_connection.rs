//! The connection of this agent to its relay, made with the SDK. It implements [`Network`] for the
//! tools.
//!
//! [`RelayConnection::keep_connected`] owns the connection. It retries without end while the relay
//! cannot be reached or refuses the agent; settings that cannot be used end the process. An agent
//! has one session: when another of its processes connects, this one yields the session and takes
//! it back only when a tool call needs it.
//!
//! [`Network`]: crate::network::Network

use std::time::Duration;

use daemon::readiness::Check;
use msg2agent::{Agent, Config, ConnectionState, Error};
use tokio::sync::{Notify, watch};

use crate::message_store::MessageStore;
use crate::metrics::EndpointMetrics;
use crate::network::{NetworkError, SessionStatus};

mod calls;
mod incoming;
mod notices;
mod session_state;

use session_state::{NextStep, SessionState, next_step, status_without_session, stays_ready, unavailable};

/// How long a call waits for a connection that is being made. Together with [`ANSWER_TIMEOUT`] and
/// the longest wait for a reply it stays below the 60 s after which common clients give up.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a call waits for the relay's answer, reconnects included.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(12);

pub struct RelayConnection {
    config: Config,
    state: watch::Sender<SessionState>,
    /// Notified when a tool call needs the session that was yielded.
    needed: Notify,
}

impl RelayConnection {
    #[must_use]
    pub fn new(config: Config) -> Self {
        let config = config.with_answer_timeout(ANSWER_TIMEOUT).yielding();
        Self { config, state: watch::Sender::new(SessionState::Connecting(None)), needed: Notify::new() }
    }

    /// Keeps the agent connected and stores its messages, until the future is dropped or the agent
    /// cannot run: its settings, keys or state folder cannot be used.
    pub async fn keep_connected(
        &self,
        store: &MessageStore,
        metrics: &EndpointMetrics,
        ready: &Check,
    ) -> Error {
        let mut registered = false;
        loop {
            let error = match Agent::connect(self.config.clone()).await {
                Ok(agent) => {
                    registered = true;
                    self.run_agent(agent, store, metrics, ready).await
                }
                Err(error) => error,
            };
            match next_step(error.kind()) {
                NextStep::Stop => return error,
                NextStep::Yield => self.wait_until_needed(metrics).await,
                NextStep::RetryAfter(interval) => {
                    tracing::warn!(error = error.chain(), "not connected to the relay; retrying");
                    self.state.send_replace(SessionState::Connecting(error.reason()));
                    metrics.set_session(status_without_session(error.reason()));
                    report_disconnected(ready, &error, registered);
                    tokio::time::sleep(interval).await;
                }
            }
        }
    }

    async fn run_agent(
        &self,
        agent: Agent,
        store: &MessageStore,
        metrics: &EndpointMetrics,
        ready: &Check,
    ) -> Error {
        self.state.send_replace(SessionState::Running(agent.clone()));
        tokio::select! {
            error = agent.ended() => error,
            () = report_changes(&agent, metrics, ready) => agent.ended().await,
            () = incoming::store_messages(&agent, store, metrics) => agent.ended().await,
            () = notices::store_outcomes(&agent, store) => agent.ended().await,
        }
    }

    async fn wait_until_needed(&self, metrics: &EndpointMetrics) {
        let needed = self.needed.notified();
        tokio::pin!(needed);
        // Registers before the state changes, so that a call which sees the state is noticed.
        needed.as_mut().enable();
        self.state.send_replace(SessionState::Yielded);
        metrics.set_session(SessionStatus::Yielded);
        tracing::info!("another process of this agent has the session; yielding until a call needs it");
        needed.await;
        self.state.send_replace(SessionState::Connecting(None));
        metrics.set_session(SessionStatus::Connecting);
    }

    /// Sends what the SDK still has to send, and closes the connection if there is one.
    pub async fn close(&self) {
        let state = self.state.borrow().clone();
        if let SessionState::Running(agent) = state {
            agent.close().await;
        }
    }

    fn status(&self) -> SessionStatus {
        self.state.borrow().status()
    }

    /// The connected agent. Takes a yielded session back and waits for the connection.
    async fn connected_agent(&self) -> Result<Agent, NetworkError> {
        if self.status() == SessionStatus::Yielded {
            self.needed.notify_waiters();
        }
        if self.state.borrow().is_refused() {
            return Err(unavailable(self.state.borrow().refusal()));
        }
        let online = async {
            let mut states = self.state.subscribe();
            let is_running = |state: &SessionState| matches!(state, SessionState::Running(_));
            let state = states.wait_for(is_running).await.ok()?.clone();
            let SessionState::Running(agent) = state else { return None };
            let mut connection = agent.watch_connection();
            let settled =
                |now: &ConnectionState| now.is_connected() || matches!(now, ConnectionState::Ended(_));
            let connected = connection.wait_for(settled).await.ok()?.is_connected();
            connected.then_some(agent)
        };
        let agent = tokio::time::timeout(CONNECT_TIMEOUT, online).await;
        agent.ok().flatten().ok_or_else(|| unavailable(self.state.borrow().refusal()))
    }
}

/// Updates metrics and readiness; returns when the agent has ended.
async fn report_changes(agent: &Agent, metrics: &EndpointMetrics, ready: &Check) {
    let mut connection = agent.watch_connection();
    loop {
        let now = connection.borrow_and_update().clone();
        metrics.set_session(SessionState::Running(agent.clone()).status());
        match now {
            ConnectionState::Connecting { last_error: Some(error), .. } => {
                report_disconnected(ready, &error, true);
            }
            _ => ready.pass(),
        }
        if connection.changed().await.is_err() {
            return;
        }
    }
}

fn report_disconnected(ready: &Check, error: &Error, registered: bool) {
    let message = match error.reason() {
        Some(reason) => format!("the relay refuses this agent: {}", reason.as_str()),
        None => format!("not connected to the relay: {error}"),
    };
    if stays_ready(registered, error.reason()) { ready.pass_with(message) } else { ready.fail(message) }
}
