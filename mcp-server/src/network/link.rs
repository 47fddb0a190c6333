//! The network by way of the SDK: one agent, connected as long as the process lives.
//!
//! [`Link::keep`] owns the connection. A relay that cannot be reached is tried for ever; settings that cannot be used end the
//! process. One DID has one session: when another process of the agent takes it, this one yields and takes it back only when
//! a tool call needs it.

use std::time::Duration;

use daemon::readiness::Check;
use msg2agent::{Agent, Config, Error, ErrorKind};
use tokio::sync::{Notify, watch};

use super::Session;
use crate::mailbox::Mailbox;
use crate::metrics::Metrics;
use crate::refusal::Refusal;

mod arrivals;
mod calls;

/// How long a call waits for a connection that is being made. Together with the answer's time and the longest wait for a
/// reply it stays below the 60 s after which common clients give up.
const CONNECT_WAIT: Duration = Duration::from_secs(5);
/// How long a call waits for the relay's answer, reconnects included.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(12);
/// Pause before connecting again after the SDK gave up; its own delays inside a connection are shorter.
const PAUSE: Duration = Duration::from_secs(5);

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
            () = arrivals::receive(&agent, mailbox, metrics) => agent.ended().await,
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

#[cfg(test)]
mod tests {
    use super::*;

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
