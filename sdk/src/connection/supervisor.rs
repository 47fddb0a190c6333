//! Supervises the connection of one agent: a task that runs one session after the other.
//!
//! The task ends when the last handle is dropped, when [`Agent::close`](crate::Agent::close) is
//! called, when a newer session replaces this one, or when reconnecting cannot help. While there is
//! no session, requests wait in the outbox.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};

use super::backoff::Backoff;
use super::dial::Dialer;
use super::disconnect::Disconnect;
use super::own_record::OwnRecord;
use super::reconnect::{Circumstances, Decision, decide};
use super::request_queue::RequestQueue;
use super::{handshake, key_rotation, session};
use crate::agent_state::AgentState;
use crate::connection_state::ConnectionState;
use crate::error::Error;
use crate::rpc::{Command, WeakRpcClient};

/// How long a session must last to reset the backoff. A shorter one counts as a failed attempt.
const BACKOFF_RESET_INTERVAL: Duration = Duration::from_secs(30);

struct Supervisor {
    state: Arc<AgentState>,
    requests: RequestQueue,
    rpc: WeakRpcClient,
    dialer: Dialer,
    record: OwnRecord,
    backoff: Backoff,
    attempt: u64,
    /// When connecting fails for good; `None` after the first registration.
    connect_deadline: Option<Instant>,
}

/// Spawns the connection task. It owns the socket. It runs as long as a sender of `commands`
/// exists.
pub(crate) fn spawn(
    state: Arc<AgentState>,
    commands: mpsc::Receiver<Command>,
    rpc: WeakRpcClient,
) -> Result<(), Error> {
    let supervisor = Supervisor {
        dialer: Dialer::new(&state.config)?,
        record: OwnRecord::new(),
        requests: RequestQueue::new(commands),
        backoff: Backoff::new(),
        attempt: 0,
        connect_deadline: Some(Instant::now() + state.config.connect_timeout),
        state,
        rpc,
    };
    tokio::spawn(supervisor.run());
    Ok(())
}

impl Supervisor {
    async fn run(mut self) {
        let error = self.run_sessions().await;
        tracing::info!(agent.did = %self.state.config.did, error = error.chain(), "the agent ended");
        self.requests.end(&error);
        self.state.end(error);
    }

    /// Runs sessions until there will be no further one, and returns the reason.
    async fn run_sessions(&mut self) -> Error {
        loop {
            let started = Instant::now();
            let disconnect = self.run_session().await;
            let registered_before = self.connect_deadline.is_none();
            if registered_before && started.elapsed() >= BACKOFF_RESET_INTERVAL {
                self.backoff.reset();
            }
            let circumstances = Circumstances {
                registered_before,
                token_rotates: self.state.config.token.rotates(),
                awaits_credentials: self.state.config.awaits_credentials,
            };
            let (error, after) = match decide(disconnect, circumstances) {
                Decision::Stop(error) => return error,
                Decision::Retry { error, after } => (error, after),
            };
            let delay = after.unwrap_or_default() + self.backoff.next(rand::random());
            if self.connect_deadline.is_some_and(|deadline| Instant::now() + delay > deadline) {
                return error;
            }
            if let Err(disconnect) = self.wait_to_reconnect(error, delay).await {
                return disconnect.into_error();
            }
        }
    }

    async fn wait_to_reconnect(&mut self, error: Error, delay: Duration) -> Result<(), Disconnect> {
        self.attempt += 1;
        tracing::info!(
            error = error.chain(),
            retry.attempt = self.attempt,
            retry.delay_ms = delay.as_millis(),
            "reconnecting after a delay"
        );
        let state = ConnectionState::Connecting { attempt: self.attempt, last_error: Some(error) };
        self.state.connection.send_replace(state);
        self.requests.queue_during(sleep(delay)).await
    }

    /// Dials, registers, and runs the session to its end.
    async fn run_session(&mut self) -> Disconnect {
        key_rotation::rotate_if_due(&self.state.config);
        if let Err(error) = self.record.refresh(&self.state.config) {
            return Disconnect::Lost(error);
        }
        let (dialer, record) = (self.dialer.clone(), self.record.clone());
        let did = self.state.config.did.clone();
        let connecting = async move {
            let socket = dialer.dial().await?;
            handshake::register(socket, &did, &record).await
        };
        let registered = match self.requests.queue_during(connecting).await {
            Ok(Ok(registered)) => registered,
            Ok(Err(disconnect)) | Err(disconnect) => return disconnect,
        };
        if let Some((identity, document)) = self.record.parts() {
            self.state.set_registered(identity, document);
        }
        self.connect_deadline = None;
        self.attempt = 0;
        session::run(&self.state, &self.rpc, &mut self.requests, registered).await
    }
}
