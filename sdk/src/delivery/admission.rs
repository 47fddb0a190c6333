//! Accepts or refuses one delivery: duplicate check, sender lookup, signature, capacity.
//!
//! Deliveries are handled one at a time, in the relay's order.

use std::sync::Arc;

use protocol::Did;
use protocol::envelope::{Class, Envelope, Header, MessageId, OpenError, Opened, open};
use protocol::record::VerifiedRecord;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::ack_tracker::DeliveryState;
use super::received::Received;
use crate::agent_state::AgentState;
use crate::clock;
use crate::contacts::Freshness;
use crate::error::{Error, ErrorKind};
use crate::evidence::Evidence;
use crate::pending_requests::Destination;
use crate::refusal::{Refusal, RefusalReason};
use crate::rpc::RpcClient;

/// The parameters of `relay.deliver`. The envelope is unparsed, so that the number of a malformed
/// one is known and can be settled.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Delivery {
    pub(crate) epoch: u64,
    pub(crate) seq: u64,
    envelope: Box<RawValue>,
}

/// Queues the message, hands it to the request it answers, or refuses it. A refused message is
/// settled, so that it does not block the next one.
///
/// # Errors
/// The sender cannot be looked up now, or the application holds too many messages. The session must
/// end; the relay then delivers the message again.
pub(crate) async fn admit(state: &AgentState, rpc: &RpcClient, delivery: Delivery) -> Result<(), Error> {
    let Ok(envelope) = Envelope::parse(delivery.envelope.get()) else {
        refuse(state, delivery.seq, RefusalReason::Malformed, None);
        return Ok(());
    };
    let key = (envelope.from.clone(), envelope.id);
    if envelope.class == Class::Reliable {
        match state.acknowledgements.on_delivery(delivery.seq, &key) {
            DeliveryState::New => {}
            DeliveryState::Held => return Ok(()),
            DeliveryState::Processed => {
                refuse(state, delivery.seq, RefusalReason::Replayed, Some((&key.0, key.1)));
                return Ok(());
            }
        }
    }
    match verify(state, rpc, &envelope).await {
        Ok((opened, sender)) => accept(state, delivery.seq, envelope, opened, &sender),
        Err(AdmissionError::Refused(reason)) => {
            refuse(state, delivery.seq, reason, Some((&envelope.from, envelope.id)));
            Ok(())
        }
        Err(AdmissionError::Retry(error)) => Err(error),
    }
}

enum AdmissionError {
    /// The message is invalid.
    Refused(RefusalReason),
    /// It cannot be verified now; a redelivery may succeed.
    Retry(Error),
}

/// Opens the envelope with the sender's record. If the cached record does not list the signing key,
/// looks the sender up once.
async fn verify(
    state: &AgentState,
    rpc: &RpcClient,
    envelope: &Envelope,
) -> Result<(Opened, Arc<VerifiedRecord>), AdmissionError> {
    let sender = resolve_sender(state, rpc, envelope, Freshness::Any).await?;
    let identity = state.identity();
    let refused = |e: &OpenError| AdmissionError::Refused(e.into());
    match open(envelope, &sender.keys, &identity, clock::now()) {
        Ok(opened) => Ok((opened, sender)),
        Err(OpenError::UnknownSigningKey(_)) => {
            let sender = resolve_sender(state, rpc, envelope, Freshness::Now).await?;
            let opened = open(envelope, &sender.keys, &identity, clock::now()).map_err(|e| refused(&e))?;
            Ok((opened, sender))
        }
        Err(e) => Err(refused(&e)),
    }
}

async fn resolve_sender(
    state: &AgentState,
    rpc: &RpcClient,
    envelope: &Envelope,
    freshness: Freshness,
) -> Result<Arc<VerifiedRecord>, AdmissionError> {
    let resolved = state.contacts.resolve(rpc, &envelope.from, freshness).await;
    resolved.map_err(|error| match error.kind() {
        ErrorKind::KeyChanged => AdmissionError::Refused(RefusalReason::KeyChanged),
        ErrorKind::Unverified => AdmissionError::Refused(RefusalReason::BadRecord),
        ErrorKind::Rejected(_) if error.is_not_found() => {
            AdmissionError::Refused(RefusalReason::UnknownSender)
        }
        _ => AdmissionError::Retry(error),
    })
}

fn accept(
    state: &AgentState,
    seq: u64,
    envelope: Envelope,
    opened: Opened,
    sender: &VerifiedRecord,
) -> Result<(), Error> {
    let Opened { header, content, prk } = opened;
    let (from, id) = (header.from.clone(), header.id);
    let destination = state.pending_requests.destination(&header);
    if let Some(reason) = check_capacity(state, seq, &header, &destination)? {
        refuse(state, seq, reason, Some((&from, id)));
        return Ok(());
    }
    let evidence = Evidence::new(envelope, prk, sender.document.clone());
    let received = Arc::new(Received { header, content, evidence });
    let for_inbox = match destination {
        Destination::Requester => complete_request(state, received)?,
        Destination::Inbox | Destination::WrongResponder => Some(received),
    };
    if for_inbox.is_some_and(|received| !state.queue.push(received)) {
        let refusal = Refusal { claimed_from: from.to_string(), id: Some(id), reason: RefusalReason::NoRoom };
        state.refusals.record(refusal);
    }
    Ok(())
}

/// Records a verified message with the acknowledgement tracker, or returns why it is refused.
fn check_capacity(
    state: &AgentState,
    seq: u64,
    header: &Header,
    destination: &Destination,
) -> Result<Option<RefusalReason>, Error> {
    if *destination == Destination::WrongResponder {
        return Ok(Some(RefusalReason::WrongResponder));
    }
    match header.class {
        Class::Ephemeral if state.acknowledgements.accept_ephemeral(seq, header) => Ok(None),
        Class::Ephemeral => Ok(Some(RefusalReason::Replayed)),
        Class::Reliable if state.acknowledgements.hold(seq, (header.from.clone(), header.id)) => Ok(None),
        Class::Reliable => {
            Err(Error::new(ErrorKind::State, "the application holds too many unacknowledged messages"))
        }
    }
}

/// Hands an answer to its request, which acknowledges it. Returns the message if the caller gave
/// up.
fn complete_request(state: &AgentState, received: Arc<Received>) -> Result<Option<Arc<Received>>, Error> {
    match state.pending_requests.complete(Arc::clone(&received)) {
        Ok(()) if received.is_reliable() => {
            state.acknowledgements.mark_processed(&received.header).map(|()| None)
        }
        Ok(()) => Ok(None),
        Err(received) => Ok(Some(received)),
    }
}

fn refuse(state: &AgentState, seq: u64, reason: RefusalReason, claimed: Option<(&Did, MessageId)>) {
    let claimed_from = claimed.map(|(from, _)| from.to_string()).unwrap_or_default();
    state.refusals.record(Refusal { claimed_from, id: claimed.map(|(_, id)| id), reason });
    state.acknowledgements.settle(seq);
}
