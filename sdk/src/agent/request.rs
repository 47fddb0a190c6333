//! Sends requests and waits for their answers.

use std::time::Duration;

use protocol::envelope::{Content, MessageId, MessageType};
use protocol::frame::{Outcome, RpcError};
use protocol::refusal::RefusalReason;
use protocol::{Did, Reason};

use super::handle::Agent;
use crate::agent_state::AgentState;
use crate::error::{Error, ErrorKind};
use crate::message::Message;
use crate::pending_requests::{PendingAnswer, RequestEnd};
use crate::rpc;
use crate::sender::SendOptions;
use crate::sent::Sent;

/// A request and its answer.
#[derive(Debug, Clone)]
pub struct Exchange {
    pub sent: Sent,
    /// The answer, to be acknowledged with [`Message::ack`]. It may be an error of the other agent;
    /// see [`Message::is_error`].
    pub answer: Message,
}

/// A request that the relay accepted, and its answer if one came in time.
#[derive(Debug, Clone)]
pub struct RequestOutcome {
    pub sent: Sent,
    /// The answer, to be acknowledged with [`Message::ack`]. A later one comes to the inbox.
    pub answer: Option<Message>,
}

impl Agent {
    /// Sends a request, and waits at most `timeout` for the answer of that agent. An answer of
    /// another agent is refused. The answer is acknowledged when this returns it; with
    /// [`request_with`](Self::request_with) the caller acknowledges it. If the future is dropped,
    /// the answer comes to the inbox.
    ///
    /// # Errors
    /// Those of [`send`](Self::send), and [`ErrorKind::Timeout`] if no answer came in time. A late
    /// answer comes to the inbox. If the recipient refuses a request that the relay has stored, the
    /// wait ends with [`ErrorKind::Rejected`].
    ///
    /// # Examples
    /// ```no_run
    /// # async fn example(agent: msg2agent::Agent, bob: msg2agent::Did) -> Result<(), msg2agent::Error> {
    /// use std::time::Duration;
    ///
    /// use msg2agent::Content;
    ///
    /// let answer = agent.request(&bob, Content::text("2+2?"), Duration::from_secs(10)).await?;
    /// assert_eq!(answer.from(), &bob);
    /// println!("{:?}", answer.text());
    /// # Ok(()) }
    /// ```
    pub async fn request(&self, to: &Did, content: Content, timeout: Duration) -> Result<Message, Error> {
        let Exchange { answer, .. } = self.request_with(to, content, timeout, SendOptions::default()).await?;
        if let Err(error) = answer.ack().await {
            // The caller has the answer. The acknowledgement is repeated, or the answer is
            // delivered again to the next process.
            tracing::warn!(error = error.chain(), "cannot acknowledge an answer");
        }
        Ok(answer)
    }

    /// Like [`request`](Self::request), with options, and returns both messages. The message type
    /// is `request`, or `response` if the options say so: a response that is waited upon itself.
    ///
    /// # Errors
    /// Those of [`request`](Self::request).
    pub async fn request_with(
        &self,
        to: &Did,
        content: Content,
        timeout: Duration,
        options: SendOptions,
    ) -> Result<Exchange, Error> {
        let id = options.id.unwrap_or_else(|| self.sender.new_message_id());
        let options = SendOptions { id: Some(id), ..options };
        let outcome =
            tokio::time::timeout(timeout, self.try_request_with(to, content, timeout, options)).await;
        match outcome.ok().transpose()? {
            Some(RequestOutcome { sent, answer: Some(answer) }) => Ok(Exchange { sent, answer }),
            _ => Err(no_answer(to, timeout, id)),
        }
    }

    /// Like [`request_with`](Self::request_with), but a missing answer is not an error. `timeout`
    /// begins when the relay has accepted the request.
    ///
    /// # Errors
    /// Those of [`send`](Self::send), and [`ErrorKind::Rejected`] when the relay says that a
    /// request that it stored was refused, has expired or was dropped.
    pub async fn try_request_with(
        &self,
        to: &Did,
        content: Content,
        timeout: Duration,
        options: SendOptions,
    ) -> Result<RequestOutcome, Error> {
        let id = options.id.unwrap_or_else(|| self.sender.new_message_id());
        let r#type = waiting_type(options.r#type);
        let options = SendOptions { r#type, id: Some(id), ..options };
        let pending = self.state().pending_requests.register(id, to.clone());
        let pending = pending.ok_or_else(|| already_waits(to, id))?;
        let mut expected = ExpectedAnswer { pending, state: self.state() };
        let sent = self.send_with(to, content, options).await?;
        match tokio::time::timeout(timeout, expected.pending.receive()).await {
            Err(_) => Ok(RequestOutcome { sent, answer: None }),
            Ok(Some(RequestEnd::Answered(received))) => {
                let answer = Message::new(received, self.sender.clone());
                Ok(RequestOutcome { sent, answer: Some(answer) })
            }
            Ok(Some(RequestEnd::Undelivered { outcome, reason })) => {
                Err(undelivered(to, outcome, reason).about(id))
            }
            Ok(None) => {
                let attempt = format!("the agent ended before {to} answered");
                Err(self.state().ending().repeated(attempt).possibly_sent(true).about(id))
            }
        }
    }
}

/// A response can be waited upon too, as in a conversation: it ends the wait of the other side.
const fn waiting_type(asked: MessageType) -> MessageType {
    match asked {
        MessageType::Response => MessageType::Response,
        _ => MessageType::Request,
    }
}

/// An answer that somebody waits for. If nobody takes it, it comes to the inbox.
struct ExpectedAnswer<'a> {
    pending: PendingAnswer<'a>,
    state: &'a AgentState,
}

impl Drop for ExpectedAnswer<'_> {
    fn drop(&mut self) {
        if let Some(received) = self.pending.take_unclaimed() {
            self.state.release(&received);
        }
    }
}

fn already_waits(to: &Did, id: MessageId) -> Error {
    Error::new(ErrorKind::Message, format!("cannot send a request to {to}"))
        .caused_by(format!("a request with the id {id} waits for its answer already"))
        .advising("wait for the first one, or use another id")
        .about(id)
}

/// The error of a request that was stored first, as if it had been refused at once.
fn undelivered(to: &Did, outcome: Outcome, reason: Option<RefusalReason>) -> Error {
    let rejection = match (outcome, reason) {
        (Outcome::Refused, Some(reason)) => RpcError::refused(reason),
        (Outcome::Refused, None) => RpcError::new(Reason::Refused, None),
        (outcome, _) => RpcError::ended(outcome),
    };
    rpc::rejected(&format!("{to} will not answer"), &rejection)
}

fn no_answer(to: &Did, timeout: Duration, id: MessageId) -> Error {
    Error::new(ErrorKind::Timeout, format!("{to} did not answer"))
        .caused_by(format!("no answer came within {} s", timeout.as_secs_f32()))
        .advising("check that the agent runs and answers requests; a late answer comes to the inbox")
        .possibly_sent(true)
        .about(id)
}
