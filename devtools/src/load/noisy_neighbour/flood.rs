//! Sends requests of one registered agent without waiting for their answers, as fast as the relay
//! reads them.

use std::sync::Arc;

use anyhow::Context as _;
use protocol::Did;
use protocol::envelope::Class;
use protocol::frame::{Incoming, write_request};
use protocol::record::Card;
use serde::Serialize;

use super::super::buffered_stream::{BufferedStream, READ_BYTES};
use super::super::client_socket::connect;
use super::super::codec::{Codec as _, Consumed};
use super::super::relay::{Frames, IdSpace, admission};
use super::super::websocket;
use super::answers::{Answers, CLOSED, SharedAnswers, word_of};
use super::site::{AttackTarget, AttackingAgent};

/// Bytes of requests that wait for an answer.
const IN_FLIGHT_BYTES_MAX: usize = 1024 * 1024;
/// Requests that wait for an answer: a relay takes 4,096 sends.
const IN_FLIGHT_MAX: usize = 2_048;
/// Characters of the description in the card of an attacker: the most that a card may have, so that
/// pages of agents are large.
const DESCRIPTION_CHARACTERS: usize = protocol::limits::DESCRIPTION_BYTES_MAX;

/// What is sent over and over.
pub(super) struct Request {
    kind: RequestKind,
    /// Bytes on the wire.
    bytes: usize,
    /// The recipient registers, and then reads nothing.
    recipient_connects: bool,
}

/// Appends the next request.
type WriteRequest = Box<dyn FnMut(&mut Vec<u8>)>;

enum RequestKind {
    /// The same bytes each time.
    Query(Vec<u8>),
    Message {
        from: Did,
        to: Did,
    },
}

impl Request {
    pub(super) fn query(method: &str, params: &impl Serialize) -> Self {
        let (mut request, mut frame) = (Vec::new(), Vec::new());
        write_request(&mut request, 1, method, params);
        websocket::write_text(&request, &mut frame);
        Self { bytes: frame.len(), kind: RequestKind::Query(frame), recipient_connects: false }
    }

    /// A reliable message of `bytes`.
    ///
    /// # Errors
    /// An envelope that does not fit `bytes`.
    pub(super) fn message(
        from: &Did,
        to: &Did,
        bytes: usize,
        recipient_connects: bool,
    ) -> anyhow::Result<Self> {
        let kind = RequestKind::Message { from: from.clone(), to: to.clone() };
        Ok(Self { kind, bytes, recipient_connects })
    }

    fn writer(&self) -> anyhow::Result<WriteRequest> {
        Ok(match &self.kind {
            RequestKind::Query(frame) => {
                let frame = frame.clone();
                Box::new(move |out| out.extend_from_slice(&frame))
            }
            RequestKind::Message { from, to } => {
                let ids = IdSpace::now(rand::random::<u16>() & 0xfff);
                let (mut frames, mut number) = (Frames::new(from, to, Class::Reliable, self.bytes, ids)?, 0);
                Box::new(move |out| {
                    frames.message(number, out);
                    number += 1;
                })
            }
        })
    }
}

/// Floods until the attacker ends. A connection that the relay closes is made again.
pub(super) async fn run(
    target: Arc<AttackTarget>,
    (sender, recipient): (AttackingAgent, AttackingAgent),
    request: Request,
    answers: Arc<SharedAnswers>,
) -> anyhow::Result<()> {
    loop {
        let reader = match request.recipient_connects {
            true => Some(registered(&target, &recipient).await?),
            false => None,
        };
        let stream = registered(&target, &sender).await?;
        let ended = flood(BufferedStream::new(stream), &request, &answers).await;
        tracing::debug!(error = ?ended.err(), "a connection of the attacker has ended");
        answers.refuse(CLOSED);
        drop(reader);
    }
}

async fn registered(target: &AttackTarget, agent: &AttackingAgent) -> anyhow::Result<tokio::net::TcpStream> {
    let stream = connect(target.address, agent.source).await?;
    let card = Card { description: "x".repeat(DESCRIPTION_CHARACTERS), ..Card::default() };
    let connected = admission::connect(stream, &target.url, &agent.key, &agent.identity, card).await;
    Ok(connected.with_context(|| format!("connect {}", agent.identity.did()))?.0)
}

async fn flood(mut stream: BufferedStream, request: &Request, answers: &SharedAnswers) -> anyhow::Result<()> {
    let in_flight_max = (IN_FLIGHT_BYTES_MAX / request.bytes).clamp(1, IN_FLIGHT_MAX);
    let (mut write, mut in_flight) = (request.writer()?, 0);
    let mut buffer = vec![0; READ_BYTES];
    loop {
        // Bytes that the socket does not take are not multiplied.
        while in_flight < in_flight_max && stream.output.len() < READ_BYTES {
            write(&mut stream.output);
            in_flight += 1;
        }
        stream.flush()?;
        tokio::select! {
            ready = stream.stream.readable() => {
                ready?;
                let mut counted = Answers::default();
                stream.read(&mut buffer, |input, reply| read(input, reply, &mut counted))?;
                in_flight = in_flight.saturating_sub(usize::try_from(counted.accepted() + counted.refused())?);
                answers.add(&counted);
                // All connections of the attacker get their turn.
                tokio::task::yield_now().await;
            }
            ready = stream.stream.writable(), if stream.is_behind() => ready?,
        }
    }
}

/// Counts answers; notices are none.
fn read(input: &[u8], reply: &mut Vec<u8>, counted: &mut Answers) -> anyhow::Result<Consumed> {
    let bytes = websocket::read(input, reply, |text| {
        let text = std::str::from_utf8(text).context("a frame that is no text")?;
        match Incoming::parse(text)? {
            Incoming::Result { .. } => counted.accept(),
            Incoming::Error { error, .. } => counted.refuse(word_of(error.data.reason, error.data.quota)),
            Incoming::Request { .. } | Incoming::Notification { .. } => (),
        }
        Ok(())
    })?;
    Ok(Consumed { bytes, ..Consumed::default() })
}

#[cfg(test)]
mod tests {
    use protocol::frame::{RpcError, write_error, write_result};
    use protocol::quota::{Quota, QuotaName};
    use protocol::{Reason, frame};

    use super::*;

    #[test]
    fn answers_are_counted_by_the_quota_that_they_name() {
        let quota = Quota::of_default_plan(QuotaName::QueriesBurst, 100, 100);
        let error = RpcError::new(Reason::RateLimited, Some(10)).with_quota(Some(quota));
        let (mut refusal, mut result, mut input) = (Vec::new(), Vec::new(), Vec::new());
        write_error(&mut refusal, Some("1"), &error);
        write_result(&mut result, "1", &frame::SendResult { status: frame::SendStatus::Stored });
        for text in [refusal, result] {
            input.extend([0x81, 126]);
            input.extend(u16::try_from(text.len()).unwrap().to_be_bytes());
            input.extend(text);
        }
        let mut counted = Answers::default();
        assert_eq!(read(&input, &mut Vec::new(), &mut counted).unwrap().bytes, input.len());
        assert_eq!((counted.accepted(), counted.refused_by("queries_burst")), (1, 1));
    }
}
