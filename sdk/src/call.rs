//! Asking the relay something: room, ticket, answer, deadline.

use std::sync::Arc;
use std::time::Duration;

use protocol::frame::RpcError;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

use crate::outbox::Call;
use crate::{Error, ErrorKind, trace};

/// KiB of requests that wait for their answers: 32 of the largest frames. Callers beyond it wait for room.
const ROOM_KIB: usize = 32 * 1024;
/// Requests between callers and the connection; more would only move the waiting from one place to another.
pub(crate) const COMMANDS_MAX: usize = 64;

/// What callers tell the connection.
pub(crate) enum Command {
    Ask(Call, Waiter),
    /// Connect anew, with the record as it is now.
    Reregister,
    Close,
}

/// Who waits for an answer, and the room its request takes.
pub(crate) struct Waiter {
    answer: oneshot::Sender<Result<String, Failed>>,
    _room: OwnedSemaphorePermit,
}

/// Why there is no result.
#[derive(Debug)]
pub(crate) enum Failed {
    Refused(RpcError),
    Ended(Error),
}

impl Waiter {
    pub(crate) fn left(&self) -> bool {
        self.answer.is_closed()
    }

    pub(crate) fn answer(self, result: Result<String, Failed>) {
        // A caller that gave up meanwhile needs no answer.
        let _ = self.answer.send(result);
    }
}

/// The callers' end. Holding it keeps the agent alive.
#[derive(Clone)]
pub(crate) struct Caller {
    commands: mpsc::Sender<Command>,
    room: Arc<Semaphore>,
    timeout: Duration,
}

/// A caller's end that does not keep the agent alive.
#[derive(Clone)]
pub(crate) struct WeakCaller {
    commands: mpsc::WeakSender<Command>,
    room: Arc<Semaphore>,
    timeout: Duration,
}

impl Caller {
    pub(crate) fn new(commands: mpsc::Sender<Command>, timeout: Duration) -> Self {
        Self { commands, room: Arc::new(Semaphore::new(ROOM_KIB)), timeout }
    }

    pub(crate) fn downgrade(&self) -> WeakCaller {
        WeakCaller {
            commands: self.commands.downgrade(),
            room: Arc::clone(&self.room),
            timeout: self.timeout,
        }
    }

    /// Asks, waits, and reads the result. `attempt` is what an error says was tried.
    pub(crate) async fn call<R: DeserializeOwned>(
        &self,
        method: &'static str,
        params: &impl Serialize,
        attempt: &str,
    ) -> Result<R, Error> {
        let protocol_error = |e: serde_json::Error| Error::new(ErrorKind::Protocol, attempt).caused_by(e);
        let params = serde_json::to_string(params).map_err(protocol_error)?;
        let answer = tokio::time::timeout(
            self.timeout,
            self.ask(Call { method, params, traceparent: trace::current() }),
        );
        let result = match answer.await {
            Err(_) => return Err(timed_out(attempt, self.timeout)),
            Ok(Err(Failed::Refused(refusal))) => return Err(refused(attempt, &refusal)),
            Ok(Err(Failed::Ended(error))) => return Err(error),
            Ok(Ok(result)) => result,
        };
        protocol::strict_json::from_str(&result).map_err(protocol_error)
    }

    pub(crate) async fn tell(&self, command: Command) {
        // The connection has ended when nobody listens; there is nothing more to tell it.
        let _ = self.commands.send(command).await;
    }

    async fn ask(&self, call: Call) -> Result<String, Failed> {
        let ended = || Failed::Ended(Error::new(ErrorKind::Closed, "the agent is closed"));
        let kib = u32::try_from(call.params.len() / 1024 + 1).unwrap_or(u32::MAX);
        let room = Arc::clone(&self.room).acquire_many_owned(kib).await.map_err(|_| ended())?;
        let (answer, answered) = oneshot::channel();
        let command = Command::Ask(call, Waiter { answer, _room: room });
        self.commands.send(command).await.map_err(|_| ended())?;
        answered.await.map_err(|_| ended())?
    }
}

impl WeakCaller {
    pub(crate) fn upgrade(&self) -> Option<Caller> {
        let commands = self.commands.upgrade()?;
        Some(Caller { commands, room: Arc::clone(&self.room), timeout: self.timeout })
    }
}

fn timed_out(attempt: &str, after: Duration) -> Error {
    Error::new(ErrorKind::Timeout, attempt)
        .caused_by(format!("the relay did not answer within {} s", after.as_secs()))
        .advising("try again; a message with the same id, which is then taken once")
}

fn refused(attempt: &str, refusal: &RpcError) -> Error {
    Error::new(ErrorKind::Rejected(refusal.data.reason), attempt)
        .caused_by(format!("the relay refused it: {}", refusal.data.reason.as_str()))
        .retrying_after(refusal.data.retry_after_ms.map(Duration::from_millis))
        .over(refusal.data.quota)
}
