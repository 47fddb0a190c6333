//! The connection's owner: one task per agent that dials, registers, serves a session, and starts over when it breaks.
//!
//! Ends when the last handle is dropped or [`crate::Agent::close`] is called, when a newer session takes over, or when the
//! relay says that trying again is useless. While there is no connection, requests wait in the outbox.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};

use crate::call::{Command, Failed, Waiter, WeakCaller};
use crate::outbox::Outbox;
use crate::shared::Shared;
use crate::{Error, ErrorKind};

mod backoff;
mod dial;
mod ending;
mod handshake;
pub(crate) mod link;
mod own_record;
pub(crate) mod rotation;
mod session;

use backoff::Backoff;
use dial::Dialer;
use ending::{Circumstances, Ending, Next};
pub use link::{Link, Session};
use own_record::OwnRecord;

/// How often requests whose callers gave up are dropped, to free their room.
const SWEEP_INTERVAL: Duration = Duration::from_secs(5);
/// A session that lasted this long counts as a success: the next delay is short again.
const STABLE_AFTER: Duration = Duration::from_secs(30);

struct Connection {
    shared: Arc<Shared>,
    commands: mpsc::Receiver<Command>,
    caller: WeakCaller,
    outbox: Outbox<Waiter>,
    dialer: Dialer,
    record: OwnRecord,
    backoff: Backoff,
    attempt: u64,
    /// Until the first registration: when to give up.
    give_up: Option<Instant>,
}

/// Starts the task `connection`. It owns the socket; the handles own it through the command channel.
pub(crate) fn spawn(
    shared: Arc<Shared>,
    commands: mpsc::Receiver<Command>,
    caller: WeakCaller,
) -> Result<(), Error> {
    let connection = Connection {
        dialer: Dialer::new(&shared.config)?,
        record: OwnRecord::new(),
        outbox: Outbox::new(),
        backoff: Backoff::new(),
        attempt: 0,
        give_up: Some(Instant::now() + shared.config.patience),
        shared,
        commands,
        caller,
    };
    tokio::spawn(connection.run());
    Ok(())
}

impl Connection {
    async fn run(mut self) {
        let error = self.serve().await;
        tracing::info!(agent.did = %self.shared.config.did, error = error.chain(), "the agent ended");
        self.commands.close();
        self.outbox.drain().for_each(|waiter| waiter.answer(Err(Failed::Ended(error.clone()))));
        while let Ok(command) = self.commands.try_recv() {
            if let Command::Ask(_, waiter) = command {
                waiter.answer(Err(Failed::Ended(error.clone())));
            }
        }
        self.shared.end(error);
    }

    /// Sessions one after the other; returns why there will be no further one.
    async fn serve(&mut self) -> Error {
        loop {
            let started = Instant::now();
            let ending = self.session().await;
            if self.give_up.is_none() && started.elapsed() >= STABLE_AFTER {
                self.backoff.reset();
            }
            let circumstances = Circumstances {
                registered_before: self.give_up.is_none(),
                token_rotates: self.shared.config.token.rotates(),
                awaits_credentials: self.shared.config.awaits_credentials,
            };
            let (error, hint) = match ending::decide(ending, circumstances) {
                Next::Stop(error) => return error,
                Next::Retry { error, after } => (error, after),
            };
            let delay = hint.unwrap_or_default() + self.backoff.next(rand::random());
            if self.give_up.is_some_and(|at| Instant::now() + delay > at) {
                return error;
            }
            self.attempt += 1;
            tracing::info!(
                error = error.chain(),
                retry.attempt = self.attempt,
                retry.delay_ms = delay.as_millis(),
                "connecting again"
            );
            self.shared
                .link
                .send_replace(Link::Connecting { attempt: self.attempt, last_error: Some(error) });
            if let Err(ending) = self.meanwhile(sleep(delay)).await {
                return ending.into_error();
            }
        }
    }

    /// Dials, registers, and serves until the connection ends.
    async fn session(&mut self) -> Ending {
        rotation::rotate_if_due(&self.shared.config);
        if let Err(error) = self.record.refresh(&self.shared.config) {
            return Ending::Lost(error);
        }
        let (dialer, record) = (self.dialer.clone(), self.record.clone());
        let did = self.shared.config.did.clone();
        let connecting = async move {
            let socket = dialer.dial().await?;
            handshake::register(socket, &did, &record).await
        };
        let registered = match self.meanwhile(connecting).await {
            Ok(Ok(registered)) => registered,
            Ok(Err(ending)) | Err(ending) => return ending,
        };
        if let Some((identity, document)) = self.record.parts() {
            self.shared.set_registered(identity, document);
        }
        self.give_up = None;
        self.attempt = 0;
        session::serve(self, registered).await
    }

    /// Does something without a connection, and takes requests at the same time.
    async fn meanwhile<T>(&mut self, work: impl Future<Output = T>) -> Result<T, Ending> {
        let mut work = pin!(work);
        let mut sweep = interval(SWEEP_INTERVAL);
        sweep.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                done = &mut work => return Ok(done),
                command = self.commands.recv() => match command {
                    Some(Command::Ask(call, waiter)) => { self.outbox.push(call, waiter); }
                    // The next connection registers the newest record anyway.
                    Some(Command::Reregister) => {}
                    Some(Command::Close) | None => return Err(Ending::Closed),
                },
                _ = sweep.tick() => self.outbox.sweep(Waiter::left),
            }
        }
    }
}

/// The error behind calls on an agent that was closed on purpose.
fn closed() -> Error {
    Error::new(ErrorKind::Closed, "the agent is closed")
}
