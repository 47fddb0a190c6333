//! Accepts or refuses one message that a direct connection brought. Its sender's record is known
//! since the greeting, so that nothing has to be looked up.

use std::sync::Arc;

use protocol::Reason;
use protocol::direct::DirectRefusal;
use protocol::envelope::freshness::NotFresh;
use protocol::envelope::{Class, Envelope, OpenError, Opened, open};
use protocol::frame::{RpcError, SendStatus};
use protocol::record::VerifiedRecord;
use protocol::refusal::RefusalReason;
use tokio::sync::oneshot;

use super::acknowledgements::{DirectAdmission, Settlement};
use super::admission::{report, show};
use super::received::Received;
use crate::agent_state::AgentState;
use crate::evidence::Evidence;
use crate::pending_requests::Destination;
use crate::refusal::{DiscardReason, Refusal, refusal_reason};
use crate::state_machine::{DeliveryState, MessageKey};

/// What the connection does with the message.
pub(crate) enum DirectOutcome {
    Answer(Result<SendStatus, RpcError>),
    /// The answer comes when the application has decided.
    Wait(MessageKey, oneshot::Receiver<Settlement>),
    /// The connection ends, and the relay decides about the message: what follows must not
    /// overtake it.
    Close(DirectRefusal),
}

/// Shows the message, or refuses it.
pub(crate) fn admit_direct(state: &AgentState, envelope: &str, sender: &VerifiedRecord) -> DirectOutcome {
    let Ok(envelope) = Envelope::parse(envelope) else {
        report(state, DiscardReason::Refused(RefusalReason::Malformed), None);
        return DirectOutcome::Answer(Err(RpcError::refused(RefusalReason::Malformed)));
    };
    if envelope.from != sender.did {
        return DirectOutcome::Answer(Err(RpcError::new(Reason::FromMismatch, None)));
    }
    let key = (envelope.from.clone(), envelope.id);
    let is_processed = || state.acknowledgements.state_of(&key) == DeliveryState::Processed;
    if envelope.class == Class::Reliable && is_processed() {
        report(state, DiscardReason::Replayed, Some((&key.0, key.1)));
        return DirectOutcome::Answer(Ok(SendStatus::Delivered));
    }
    match open(&envelope, &sender.keys, &state.identity(), state.now()) {
        Ok(opened) => accept(state, envelope, opened, sender),
        Err(error) => unopened(state, &key, &error),
    }
}

/// What cannot be decided without the relay ends the connection: a clock that is wrong, and keys
/// that are newer than the greeting.
fn unopened(state: &AgentState, key: &MessageKey, error: &OpenError) -> DirectOutcome {
    match error {
        OpenError::NotFresh(NotFresh::Future(_)) | OpenError::UnknownSigningKey(_) => {
            DirectOutcome::Close(DirectRefusal::NotNow)
        }
        error => refuse(state, key, refusal_reason(error)),
    }
}

fn refuse(state: &AgentState, key: &MessageKey, reason: RefusalReason) -> DirectOutcome {
    let claimed_from = key.0.to_string();
    let (id, discarded) = (Some(key.1), DiscardReason::Refused(reason));
    state.refusals.record(Refusal { claimed_from, id, reason: discarded });
    DirectOutcome::Answer(Err(RpcError::refused(reason)))
}

fn accept(state: &AgentState, envelope: Envelope, opened: Opened, sender: &VerifiedRecord) -> DirectOutcome {
    let Opened { header, content, prk } = opened;
    let key = (header.from.clone(), header.id);
    let destination = state.pending_requests.destination(&header);
    if destination == Destination::WrongResponder {
        return refuse(state, &key, RefusalReason::WrongResponder);
    }
    let evidence = Evidence::new(envelope, prk, sender.document.clone());
    let received = Arc::new(Received { header, content, evidence });
    if !received.is_reliable() {
        if state.acknowledgements.accept_direct_ephemeral(&received) {
            show(state, received, destination);
        } else {
            report(state, DiscardReason::Replayed, Some((&key.0, key.1)));
        }
        return DirectOutcome::Answer(Ok(SendStatus::Forwarded));
    }
    match state.acknowledgements.hold_direct(&received) {
        DirectAdmission::New(settled) => {
            show(state, received, destination);
            DirectOutcome::Wait(key, settled)
        }
        DirectAdmission::Held(settled) => DirectOutcome::Wait(key, settled),
        DirectAdmission::Processed => DirectOutcome::Answer(Ok(SendStatus::Delivered)),
        DirectAdmission::Full => DirectOutcome::Close(DirectRefusal::Busy),
    }
}
