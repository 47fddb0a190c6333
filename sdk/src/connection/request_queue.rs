//! The requests of all callers: a channel of new ones, and the outbox of unanswered ones.

use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Interval, MissedTickBehavior, interval};

use super::disconnect::Disconnect;
use crate::error::Error;
use crate::rpc::{Command, PendingResponse, RpcFailure};
use crate::state_machine::Outbox;

/// How often abandoned requests are dropped, which frees their share of the bytes in flight.
const SWEEP_INTERVAL: Duration = Duration::from_secs(5);

pub(super) struct RequestQueue {
    pub(super) commands: mpsc::Receiver<Command>,
    pub(super) outbox: Outbox<PendingResponse>,
}

impl RequestQueue {
    pub(super) fn new(commands: mpsc::Receiver<Command>) -> Self {
        Self { commands, outbox: Outbox::new() }
    }

    /// Runs `work` while there is no session. Queues the requests that arrive in the meantime.
    pub(super) async fn queue_during<T>(&mut self, work: impl Future<Output = T>) -> Result<T, Disconnect> {
        let mut work = pin!(work);
        let mut sweep = sweep_interval();
        loop {
            tokio::select! {
                done = &mut work => return Ok(done),
                command = self.commands.recv() => match command {
                    Some(Command::Send(request, response)) => { self.outbox.push(request, response); }
                    // The next connection registers the current record anyway.
                    Some(Command::Reregister) => {}
                    Some(Command::Close) | None => return Err(Disconnect::Closed),
                },
                _ = sweep.tick() => self.sweep(),
            }
        }
    }

    pub(super) fn sweep(&mut self) {
        self.outbox.sweep(PendingResponse::is_abandoned);
    }

    /// Fails every request with this error, and every later one.
    pub(super) fn end(&mut self, error: &Error) {
        let failure = || RpcFailure::AgentEnded(error.clone());
        self.commands.close();
        self.outbox.drain().for_each(|waiting| waiting.caller.complete(Err(failure())));
        while let Ok(command) = self.commands.try_recv() {
            if let Command::Send(_, response) = command {
                response.complete(Err(failure()));
            }
        }
    }
}

pub(super) fn sweep_interval() -> Interval {
    let mut sweep = interval(SWEEP_INTERVAL);
    sweep.set_missed_tick_behavior(MissedTickBehavior::Delay);
    sweep
}
