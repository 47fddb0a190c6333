//! Sends JSON-RPC requests to the relay through the connection task and waits for their results.
//!
//! Backpressure: requests in flight are bounded by their bytes. A caller beyond the bound waits.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use protocol::Reason;
use protocol::frame::RpcError;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

use crate::error::{Error, ErrorKind};
use crate::state_machine::Request;
use crate::trace;

/// KiB of requests in flight unless the settings say otherwise: 32 of the largest frames. Callers
/// beyond it wait.
pub(crate) const IN_FLIGHT_KIB_MAX: usize = 32 * 1024;
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
    /// Whether the request was given to a connection.
    written: Arc<AtomicBool>,
    _permit: Arc<OwnedSemaphorePermit>,
}

/// Why a request has no result.
#[derive(Debug)]
pub(crate) enum RpcFailure {
    Rejected(RpcError),
    AgentEnded(Error),
    /// The agent talks to its peers alone.
    NoRelay,
}

impl PendingResponse {
    pub(crate) fn is_abandoned(&self) -> bool {
        self.response.is_closed()
    }

    /// Notes that the request is given to a connection, so that the relay may act on it.
    pub(crate) fn mark_written(&self) {
        self.written.store(true, Ordering::Release);
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
    /// Why the agent ended, once it has.
    ending: Arc<OnceLock<Error>>,
}

/// An [`RpcClient`] that does not keep the agent alive.
#[derive(Clone)]
pub(crate) struct WeakRpcClient {
    commands: mpsc::WeakSender<Command>,
    in_flight: Arc<Semaphore>,
    timeout: Duration,
    /// Why the agent ended, once it has.
    ending: Arc<OnceLock<Error>>,
}

impl RpcClient {
    pub(crate) fn new(commands: mpsc::Sender<Command>, timeout: Duration, in_flight_kib_max: usize) -> Self {
        let in_flight = Arc::new(Semaphore::new(in_flight_kib_max));
        Self { commands, in_flight, timeout, ending: Arc::default() }
    }

    pub(crate) fn downgrade(&self) -> WeakRpcClient {
        WeakRpcClient {
            commands: self.commands.downgrade(),
            in_flight: Arc::clone(&self.in_flight),
            timeout: self.timeout,
            ending: Arc::clone(&self.ending),
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
        let written = Arc::new(AtomicBool::new(false));
        let answer = tokio::time::timeout(self.timeout, self.round_trip(request, &written)).await;
        let written = written.load(Ordering::Acquire);
        let result = match answer {
            Err(_) => return Err(timed_out(attempt, self.timeout, written)),
            Ok(Err(failure)) => return Err(failed(attempt, failure, written)),
            Ok(Ok(result)) => result,
        };
        protocol::strict_json::from_str(&result).map_err(|e| protocol_error(e).possibly_sent(true))
    }

    pub(crate) async fn send_command(&self, command: Command) {
        // It fails only after the connection task has ended, when the command has no effect.
        let _ = self.commands.send(command).await;
    }

    async fn round_trip(&self, request: Request, written: &Arc<AtomicBool>) -> Result<String, RpcFailure> {
        let permit = self.reserve(request.params.len()).await?;
        let received = self.begin(request, permit, written).await?;
        received.await.map_err(|_| self.ended())?
    }

    /// Waits for a share of the bytes in flight.
    pub(crate) async fn reserve(&self, bytes: usize) -> Result<Arc<OwnedSemaphorePermit>, RpcFailure> {
        let kib = u32::try_from(bytes / 1024 + 1).unwrap_or(u32::MAX);
        let permit = Arc::clone(&self.in_flight).acquire_many_owned(kib).await;
        permit.map(Arc::new).map_err(|_| self.ended())
    }

    /// Gives a request to the connection task, after those that were given to it before. Its result
    /// comes later.
    pub(crate) async fn begin(
        &self,
        request: Request,
        permit: Arc<OwnedSemaphorePermit>,
        written: &Arc<AtomicBool>,
    ) -> Result<oneshot::Receiver<Result<String, RpcFailure>>, RpcFailure> {
        let (response, received) = oneshot::channel();
        let response = PendingResponse { response, written: Arc::clone(written), _permit: permit };
        self.commands.send(Command::Send(request, response)).await.map_err(|_| self.ended())?;
        Ok(received)
    }

    /// How long a request waits for its answer.
    #[cfg(feature = "direct")]
    pub(crate) fn timeout(&self) -> Duration {
        self.timeout
    }

    /// The failure of a call on an agent that has ended.
    pub(crate) fn ended(&self) -> RpcFailure {
        let closed = || Error::new(ErrorKind::Closed, "the agent is closed");
        RpcFailure::AgentEnded(self.ending.get().cloned().unwrap_or_else(closed))
    }
}

impl WeakRpcClient {
    pub(crate) fn upgrade(&self) -> Option<RpcClient> {
        let (commands, in_flight) = (self.commands.upgrade()?, Arc::clone(&self.in_flight));
        Some(RpcClient { commands, in_flight, timeout: self.timeout, ending: Arc::clone(&self.ending) })
    }

    /// Keeps the error that ended the agent, for later calls.
    pub(crate) fn end(&self, error: &Error) {
        // Only the first end counts.
        let _ = self.ending.set(error.clone());
    }
}

/// The error of a request without a result.
pub(crate) fn failed(attempt: &str, failure: RpcFailure, written: bool) -> Error {
    match failure {
        RpcFailure::Rejected(rejection) => rejected(attempt, &rejection),
        RpcFailure::AgentEnded(error) => error.repeated(attempt).possibly_sent(written),
        RpcFailure::NoRelay => Error::new(ErrorKind::Connect, attempt)
            .caused_by("this agent has no relay")
            .advising("add the other agent to the list of peers, or give this agent a relay"),
    }
}

pub(crate) fn timed_out(attempt: &str, after: Duration, written: bool) -> Error {
    let seconds = after.as_secs();
    let (cause, advice) = if written {
        let cause = format!("the relay did not answer within {seconds} s");
        (cause, "try again; use the same id for a message, so that it is delivered once")
    } else {
        let cause = format!("there was no connection to the relay for {seconds} s; nothing was sent");
        (cause, "try again when the agent is connected")
    };
    Error::new(ErrorKind::Timeout, attempt).caused_by(cause).advising(advice).possibly_sent(written)
}

/// The error of a request that the relay answers with this one.
pub(crate) fn rejected(attempt: &str, rejection: &RpcError) -> Error {
    let data = &rejection.data;
    Error::new(ErrorKind::Rejected(data.reason), attempt)
        .caused_by(rejection_text(rejection))
        .retrying_after(data.retry_after_ms.map(Duration::from_millis))
        .over(data.quota)
        .refused_as(data.refusal, data.outcome)
        .possibly_sent(may_have_acted(data.reason))
}

fn rejection_text(rejection: &RpcError) -> String {
    let data = &rejection.data;
    let reason = data.reason.as_str();
    match (data.refusal, data.outcome) {
        (Some(refusal), _) => format!("the recipient refused it: {}", refusal.as_str()),
        (None, Some(outcome)) => format!("a message with this id has ended: {}", outcome.as_str()),
        (None, None) => format!("the relay refused it: {reason}"),
    }
}

/// Whether the relay may have acted on a request that it answers with this reason: it failed half
/// way, or an earlier attempt with the same id had arrived.
const fn may_have_acted(reason: Reason) -> bool {
    matches!(reason, Reason::Internal | Reason::DuplicateId | Reason::Ended | Reason::Refused)
}

#[cfg(test)]
mod tests {
    use protocol::frame::Outcome;
    use protocol::refusal::RefusalReason;

    use super::*;

    #[test]
    fn a_refusal_of_the_recipient_has_its_word() {
        let mut rejection = RpcError::new(Reason::Refused, None);
        rejection.data.refusal = Some(RefusalReason::NotFresh);
        let error = rejected("cannot send", &rejection);
        assert_eq!(error.chain(), "cannot send: the recipient refused it: not_fresh");
        assert_eq!(error.refusal(), Some(RefusalReason::NotFresh));
        assert!(error.may_have_been_sent() && !error.is_temporary());
    }

    #[test]
    fn an_id_whose_message_has_ended_says_how() {
        let mut rejection = RpcError::new(Reason::Ended, None);
        rejection.data.outcome = Some(Outcome::Expired);
        let error = rejected("cannot send", &rejection);
        assert_eq!(error.chain(), "cannot send: a message with this id has ended: expired");
        assert_eq!(error.outcome(), Some(Outcome::Expired));
        assert!(!error.is_temporary());
    }

    #[test]
    fn a_request_that_no_connection_had_was_not_sent() {
        let unwritten = timed_out("cannot send", Duration::from_secs(30), false);
        let written = timed_out("cannot send", Duration::from_secs(30), true);
        assert!(!unwritten.may_have_been_sent() && unwritten.chain().contains("nothing was sent"));
        assert!(written.may_have_been_sent() && written.is_temporary());
        for reason in [Reason::RateLimited, Reason::MailboxFull, Reason::NotFound, Reason::Draining] {
            assert!(!rejected("x", &RpcError::new(reason, None)).may_have_been_sent());
        }
    }
}
