//! Supervises the connection of one agent: a task that runs one session after the other.
//!
//! The task ends when the last handle is dropped, when [`Agent::close`](crate::Agent::close) is
//! called, when a newer session replaces this one, or when reconnecting cannot help. While there is
//! no session, requests wait in the outbox.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};

use super::dial::Dialer;
use super::disconnect::Disconnect;
use super::own_record::OwnRecord;
use super::reconnect::{Circumstances, Decision, decide};
use super::request_queue::RequestQueue;
use super::{handshake, key_rotation, session};
use crate::agent_state::AgentState;
use crate::connection_state::ConnectionState;
use crate::error::{Error, ErrorKind};
use crate::rpc::{Command, RpcFailure, WeakRpcClient};
use crate::state_dir::StateDir;
use crate::state_machine::Backoff;

/// How long after a session a key that the relay does not know is tried again, although it never
/// changes: a relay whose volume was lost is told its keys again within minutes.
const UNKNOWN_KEY_GRACE: Duration = Duration::from_secs(300);

struct Supervisor {
    state: Arc<AgentState>,
    requests: RequestQueue,
    rpc: WeakRpcClient,
    /// `None` for an agent without a relay.
    dialer: Option<Dialer>,
    record: OwnRecord,
    backoff: Backoff,
    attempt: u64,
    /// When connecting fails for good; `None` after the first registration, and if that is never.
    connect_deadline: Option<Instant>,
    registered_before: bool,
    session_ended: Option<Instant>,
}

/// Ends every wait of the application when the connection task is gone, also when it panics or its
/// runtime is dropped. Owns the lock of the state folder.
struct EndOfAgent {
    state: Arc<AgentState>,
    rpc: WeakRpcClient,
    state_dir: Option<StateDir>,
    done: bool,
}

impl EndOfAgent {
    fn end(&mut self, error: Error) {
        if std::mem::replace(&mut self.done, true) {
            return;
        }
        self.rpc.end(&error);
        self.state.close_files(&error);
        // From here on another process may have the folder.
        self.state_dir = None;
        self.state.end(error);
    }

    /// Returns when another process asks for the state folder, if this agent gives it away.
    async fn asked_to_yield(&self) -> Error {
        match &self.state_dir {
            Some(folder) => folder.asked_to_yield().await,
            None => std::future::pending().await,
        }
    }
}

impl Drop for EndOfAgent {
    fn drop(&mut self) {
        let attempt = "the task of the agent is gone: its runtime ended, or it failed";
        self.end(Error::new(ErrorKind::Closed, attempt));
    }
}

/// What an attempt to have a session ended with.
struct Attempt {
    disconnect: Disconnect,
    /// How long the registered session lasted; `None` if there was none.
    session: Option<Duration>,
}

impl From<Disconnect> for Attempt {
    fn from(disconnect: Disconnect) -> Self {
        Self { disconnect, session: None }
    }
}

/// Spawns the connection task. It owns the socket. It runs as long as a sender of `commands`
/// exists.
pub(crate) fn spawn(
    state: Arc<AgentState>,
    commands: mpsc::Receiver<Command>,
    rpc: WeakRpcClient,
    state_dir: Option<StateDir>,
) -> Result<(), Error> {
    let end = EndOfAgent { state: Arc::clone(&state), rpc: rpc.clone(), state_dir, done: false };
    let supervisor = Supervisor {
        dialer: state.config.relay.as_ref().map(Dialer::new).transpose()?,
        record: OwnRecord::new(),
        requests: RequestQueue::new(commands),
        backoff: Backoff::new(),
        attempt: 0,
        connect_deadline: Instant::now()
            .checked_add(state.config.connect_timeout)
            .filter(|_| !state.config.may_start_without_relay()),
        registered_before: false,
        session_ended: None,
        state,
        rpc,
    };
    tokio::spawn(supervisor.run(end));
    Ok(())
}

impl Supervisor {
    async fn run(mut self, mut end: EndOfAgent) {
        let error = tokio::select! {
            error = self.run_connection() => error,
            error = end.asked_to_yield() => error,
        };
        tracing::info!(agent.did = %self.state.config.did, error = error.chain(), "the agent ended");
        self.requests.end(&error);
        end.end(error);
    }

    async fn run_connection(&mut self) -> Error {
        match self.dialer.clone() {
            Some(dialer) => self.run_sessions(&dialer).await,
            None => self.run_without_relay().await,
        }
    }

    /// Refuses every request, because there is no relay, until the agent is closed.
    async fn run_without_relay(&mut self) -> Error {
        loop {
            if let Err(error) = self.refresh_record() {
                return error;
            }
            if let Some((identity, document)) = self.record.parts() {
                self.state.set_registered(identity, document);
            }
            loop {
                match self.requests.commands.recv().await {
                    Some(Command::Send(_, response)) => response.complete(Err(RpcFailure::NoRelay)),
                    Some(Command::Reregister) => break,
                    Some(Command::Close) | None => return Disconnect::Closed.into_error(),
                }
            }
        }
    }

    fn refresh_record(&mut self) -> Result<(), Error> {
        self.record.refresh(&self.state.config)?;
        #[cfg(feature = "direct")]
        self.state.record.send_if_modified(|shared| {
            let (before, now) = (shared.take(), self.record.shared_bytes());
            *shared = now;
            before != *shared
        });
        Ok(())
    }

    /// Runs sessions until there will be no further one, and returns the reason.
    async fn run_sessions(&mut self, dialer: &Dialer) -> Error {
        loop {
            let Attempt { disconnect, session } = self.run_session(dialer).await;
            self.backoff.on_disconnect(session);
            self.session_ended = session.map(|_| Instant::now()).or(self.session_ended);
            let circumstances = Circumstances {
                registered_before: self.registered_before,
                token_rotates: self.state.config.relay.as_ref().is_some_and(|relay| relay.token.rotates()),
                registered_recently: self.session_ended.is_some_and(|at| at.elapsed() < UNKNOWN_KEY_GRACE),
                awaits_credentials: self.state.config.awaits_credentials,
            };
            if let Disconnect::Refused(refusal) = &disconnect {
                self.record.on_refusal(refusal.data.reason);
            }
            let (error, after) = match decide(disconnect, circumstances) {
                Decision::Stop(error) => return error,
                Decision::Retry { error, after } => (error, after),
            };
            let delay = after.unwrap_or_default() + self.backoff.next(rand::random());
            let late = |deadline| Instant::now() + delay > deadline;
            if !self.registered_before && self.connect_deadline.is_some_and(late) {
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
    async fn run_session(&mut self, dialer: &Dialer) -> Attempt {
        key_rotation::rotate_if_due(&self.state.config);
        if let Err(error) = self.refresh_record() {
            return Disconnect::Lost(error).into();
        }
        let (dialer, record) = (dialer.clone(), self.record.clone());
        let did = self.state.config.did.clone();
        let connecting = async move {
            let socket = dialer.dial().await?;
            handshake::register(socket, &did, &record).await
        };
        let registered = match self.requests.queue_during(connecting).await {
            Ok(Ok(registered)) => registered,
            Ok(Err(disconnect)) | Err(disconnect) => return disconnect.into(),
        };
        if let Some((identity, document)) = self.record.parts() {
            self.state.set_registered(identity, document);
        }
        (self.registered_before, self.attempt) = (true, 0);
        let started = Instant::now();
        let disconnect = session::run(&self.state, &self.rpc, &mut self.requests, registered).await;
        Attempt { disconnect, session: Some(started.elapsed()) }
    }
}
