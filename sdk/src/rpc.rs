//! Sends JSON-RPC requests to the relay through the connection task and waits for their results.
//!
//! Backpressure: requests in flight are bounded by their bytes. A caller beyond the bound waits.

use std::sync::Arc;
use std::time::Duration;

use protocol::frame::RpcError;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

use crate::error::{Error, ErrorKind};
use crate::outbox::Request;
use crate::trace;

/// KiB of requests in flight: 32 of the largest frames. Callers beyond it wait.
const IN_FLIGHT_KIB_MAX: usize = 32 * 1024;
/// Commands queued between callers and the connection task. A longer queue would not send faster.
pub(crate) const COMMANDS_MAX: usize = 64;

/// A command to the connection task.
pub(crate) enum Command {
    Send(Request, PendingResponse),
    /// Reconnect and register the current record.
    Reregister,
    Close,
}

/// The caller that waits for a response. Holds the request's share of the bytes in flight.
pub(crate) struct PendingResponse {
    response: oneshot::Sender<Result<String, RpcFailure>>,
    _permit: OwnedSemaphorePermit,
}

/// Why a request has no result.
#[derive(Debug)]
pub(crate) enum RpcFailure {
    Rejected(RpcError),
    AgentEnded(Error),
}

impl PendingResponse {
    pub(crate) fn is_abandoned(&self) -> bool {
        self.response.is_closed()
    }

    pub(crate) fn complete(self, result: Result<String, RpcFailure>) {
        // The caller may have given up in the meantime.
        let _ = self.response.send(result);
    }
}

/// Makes requests. The agent lives as long as one of these does.
#[derive(Clone)]
pub(crate) struct RpcClient {
    commands: mpsc::Sender<Command>,
    in_flight: Arc<Semaphore>,
    timeout: Duration,
}

/// An [`RpcClient`] that does not keep the agent alive.
#[derive(Clone)]
pub(crate) struct WeakRpcClient {
    commands: mpsc::WeakSender<Command>,
    in_flight: Arc<Semaphore>,
    timeout: Duration,
}

impl RpcClient {
    pub(crate) fn new(commands: mpsc::Sender<Command>, timeout: Duration) -> Self {
        Self { commands, in_flight: Arc::new(Semaphore::new(IN_FLIGHT_KIB_MAX)), timeout }
    }

    pub(crate) fn downgrade(&self) -> WeakRpcClient {
        WeakRpcClient {
            commands: self.commands.downgrade(),
            in_flight: Arc::clone(&self.in_flight),
            timeout: self.timeout,
        }
    }

    /// Sends a request and deserializes its result. `attempt` becomes the text of an error.
    pub(crate) async fn call<R: DeserializeOwned>(
        &self,
        method: &'static str,
        params: &impl Serialize,
        attempt: &str,
    ) -> Result<R, Error> {
        let protocol_error = |e: serde_json::Error| Error::new(ErrorKind::Protocol, attempt).caused_by(e);
        let params = serde_json::to_string(params).map_err(protocol_error)?;
        let request = Request { method, params, traceparent: trace::current() };
        let result = match tokio::time::timeout(self.timeout, self.round_trip(request)).await {
            Err(_) => return Err(timed_out(attempt, self.timeout)),
            Ok(Err(RpcFailure::Rejected(rejection))) => return Err(rejected(attempt, &rejection)),
            Ok(Err(RpcFailure::AgentEnded(error))) => return Err(error),
            Ok(Ok(result)) => result,
        };
        protocol::strict_json::from_str(&result).map_err(protocol_error)
    }

    pub(crate) async fn send_command(&self, command: Command) {
        // It fails only after the connection task has ended, when the command has no effect.
        let _ = self.commands.send(command).await;
    }

    async fn round_trip(&self, request: Request) -> Result<String, RpcFailure> {
        let ended = || RpcFailure::AgentEnded(Error::new(ErrorKind::Closed, "the agent is closed"));
        let kib = u32::try_from(request.params.len() / 1024 + 1).unwrap_or(u32::MAX);
        let permit = Arc::clone(&self.in_flight).acquire_many_owned(kib).await.map_err(|_| ended())?;
        let (response, received) = oneshot::channel();
        let command = Command::Send(request, PendingResponse { response, _permit: permit });
        self.commands.send(command).await.map_err(|_| ended())?;
        received.await.map_err(|_| ended())?
    }
}

impl WeakRpcClient {
    pub(crate) fn upgrade(&self) -> Option<RpcClient> {
        let commands = self.commands.upgrade()?;
        Some(RpcClient { commands, in_flight: Arc::clone(&self.in_flight), timeout: self.timeout })
    }
}

fn timed_out(attempt: &str, after: Duration) -> Error {
    Error::new(ErrorKind::Timeout, attempt)
        .caused_by(format!("the relay did not answer within {} s", after.as_secs()))
        .advising("try again; use the same id for a message, so that it is delivered once")
}

fn rejected(attempt: &str, rejection: &RpcError) -> Error {
    Error::new(ErrorKind::Rejected(rejection.data.reason), attempt)
        .caused_by(format!("the relay refused it: {}", rejection.data.reason.as_str()))
        .retrying_after(rejection.data.retry_after_ms.map(Duration::from_millis))
        .over(rejection.data.quota)
}
