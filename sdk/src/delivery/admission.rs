//! Accepts or refuses one delivery: duplicate check, sender lookup, signature, capacity.
//!
//! Deliveries are handled one at a time, in the relay's order. A lookup that the relay does not
//! answer now is repeated in place, so that nobody's messages end the session.

use std::sync::Arc;
use std::time::{Duration, Instant};

use protocol::envelope::freshness::NotFresh;
use protocol::envelope::{Class, Envelope, MessageId, OpenError, Opened, open};
use protocol::limits::{CLOCK_SKEW_GRACE_SECONDS, WINDOW_BYTES};
use protocol::record::VerifiedRecord;
use protocol::refusal::RefusalReason;
use protocol::{Did, UnixSeconds};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::acknowledgements::Hold;
use super::received::Received;
use super::relay_clock::RelayClock;
use crate::agent_state::{AgentState, SentNews};
use crate::contacts::{Freshness, Suspicion};
use crate::error::{Error, ErrorKind};
use crate::evidence::Evidence;
use crate::pending_requests::Destination;
use crate::refusal::{DiscardReason, Refusal, refusal_reason};
use crate::rpc::RpcClient;
use crate::state_machine::DeliveryState;

/// Before a failed lookup is repeated, unless the relay names a time.
const LOOKUP_RETRY_INTERVAL: Duration = Duration::from_secs(1);
/// How long the relay may delay a lookup. A wrong value must not stop receiving.
const MAX_LOOKUP_RETRY_INTERVAL: Duration = Duration::from_secs(30);

/// How far a message may be ahead of the relay's clock, to wait for its time. Clocks that are wrong
/// by minutes happen; one that is further ahead is refused, because its sender must hear of it.
const AHEAD_TTL_SECONDS: u64 = 3600;
/// Messages ahead of the relay's clock that may wait: a quarter of the window, so that no sender
/// with a wrong clock keeps others from being heard. The next one is refused.
const AHEAD_MAX: usize = 64;
/// Bytes of such messages: a quarter of the window, as well.
const AHEAD_BYTES_MAX: usize = WINDOW_BYTES / 4;

/// Before a message is tried again whose sender's key could not be written to the state folder.
const DISK_RETRY_INTERVAL_SECONDS: u64 = 5;

/// The parameters of `relay.deliver`. The envelope is unparsed, so that the number of a malformed
/// one is known and can be settled.
#[derive(Deserialize)]
pub(crate) struct Delivery {
    pub(crate) epoch: u64,
    pub(crate) seq: u64,
    envelope: Box<RawValue>,
}

impl Delivery {
    pub(crate) fn bytes(&self) -> usize {
        self.envelope.get().len()
    }
}

/// What became of a delivery.
pub(crate) enum Admission {
    /// It is queued, handed to the request that it answers, or settled.
    Done,
    /// It cannot be shown or refused yet.
    Later(WaitingDelivery),
}

/// A delivery that must be admitted again at a time, and is not settled before.
pub(crate) struct WaitingDelivery {
    pub(crate) delivery: Delivery,
    pub(crate) at: UnixSeconds,
    /// Whether the message is further ahead of the relay's clock than clocks may differ.
    is_ahead: bool,
}

impl WaitingDelivery {
    /// Whether it may wait beside these: a message that is ahead of the relay's clock has a share
    /// of the window.
    pub(crate) fn has_share(&self, waiting: &[Self]) -> bool {
        let ahead = || waiting.iter().filter(|other| other.is_ahead).map(|other| other.delivery.bytes());
        let (count, bytes) = (ahead().count(), ahead().sum::<usize>() + self.delivery.bytes());
        !self.is_ahead || (count < AHEAD_MAX && (count == 0 || bytes <= AHEAD_BYTES_MAX))
    }

    /// Refuses it, because its sender's clock is wrong.
    pub(crate) fn refuse(&self, state: &AgentState) {
        refuse(state, self.delivery.seq, RefusalReason::NotFresh, None);
    }
}

/// Queues the message, hands it to the request it answers, or refuses it. A refused message is
/// settled, so that it does not block the next one.
///
/// # Errors
/// The relay has sent more than its window allows. The session must end; the relay then delivers
/// the message again.
pub(crate) async fn admit(
    state: &AgentState,
    rpc: &RpcClient,
    delivery: Delivery,
    relay_clock: RelayClock,
) -> Result<Admission, Error> {
    let seq = delivery.seq;
    let Ok(envelope) = Envelope::parse(delivery.envelope.get()) else {
        refuse(state, seq, RefusalReason::Malformed, None);
        return Ok(Admission::Done);
    };
    if envelope.class == Class::Reliable {
        match state.acknowledgements.on_delivery(seq, &(envelope.from.clone(), envelope.id)) {
            DeliveryState::New => {}
            DeliveryState::Held => return Ok(Admission::Done),
            DeliveryState::Processed => {
                report(state, DiscardReason::Replayed, Some((&envelope.from, envelope.id)));
                return Ok(Admission::Done);
            }
        }
    }
    match verify(state, rpc, &envelope, relay_clock).await {
        Ok((opened, sender)) => accept(state, seq, envelope, opened, &sender).map(|()| Admission::Done),
        Err(Unverified::Refused(reason)) => {
            refuse(state, seq, reason, Some((&envelope.from, envelope.id)));
            Ok(Admission::Done)
        }
        Err(Unverified::Later { seconds, is_ahead, cause }) => {
            tracing::warn!(
                message.id = %envelope.id,
                message.from = %envelope.from,
                seconds,
                cause,
                "a message waits before it is shown"
            );
            let at = state.now().saturating_add(seconds);
            Ok(Admission::Later(WaitingDelivery { delivery, at, is_ahead }))
        }
    }
}

/// Why a message is not shown now.
enum Unverified {
    Refused(RefusalReason),
    Later { seconds: u64, is_ahead: bool, cause: String },
}

/// Why a message that cannot be opened at `now` is not shown.
fn unverified(error: &OpenError, now: UnixSeconds, relay_clock: RelayClock) -> Unverified {
    let OpenError::NotFresh(NotFresh::Future(ahead)) = error else {
        return Unverified::Refused(refusal_reason(error));
    };
    // If the relay's clock does not agree with the sender's either, the sender must set it.
    // Otherwise ours is wrong, and that cures itself: it is set, or time passes.
    let ahead_of_relay = relay_clock.seconds_behind(now.saturating_add(*ahead), Instant::now());
    if ahead_of_relay > AHEAD_TTL_SECONDS {
        return Unverified::Refused(RefusalReason::NotFresh);
    }
    Unverified::Later {
        seconds: ahead.saturating_sub(CLOCK_SKEW_GRACE_SECONDS),
        is_ahead: ahead_of_relay > CLOCK_SKEW_GRACE_SECONDS,
        cause: NotFresh::Future(*ahead).to_string(),
    }
}

/// Opens the envelope with the sender's record. If it does not verify with the cached record, looks
/// the sender up once more, unless that was done a moment ago.
async fn verify(
    state: &AgentState,
    rpc: &RpcClient,
    envelope: &Envelope,
    relay_clock: RelayClock,
) -> Result<(Opened, Arc<VerifiedRecord>), Unverified> {
    let sender = resolve_sender(state, rpc, &envelope.from).await?;
    let identity = state.identity();
    let now = state.now();
    let error = match open(envelope, &sender.keys, &identity, now) {
        Ok(opened) => return Ok((opened, sender)),
        Err(error) => error,
    };
    let suspicion = match &error {
        OpenError::UnknownSigningKey(_) => Suspicion::UnknownKey,
        OpenError::Signature(_) => Suspicion::BadSignature,
        _ => return Err(unverified(&error, now, relay_clock)),
    };
    if !state.contacts.may_refresh(&envelope.from, suspicion) {
        return Err(unverified(&error, now, relay_clock));
    }
    let sender = repeat_lookup(|| state.contacts.look_up(rpc, &envelope.from)).await?.0;
    let now = state.now();
    let opened = open(envelope, &sender.keys, &identity, now);
    opened.map(|opened| (opened, sender)).map_err(|error| unverified(&error, now, relay_clock))
}

async fn resolve_sender(
    state: &AgentState,
    rpc: &RpcClient,
    from: &Did,
) -> Result<Arc<VerifiedRecord>, Unverified> {
    repeat_lookup(|| state.contacts.resolve(rpc, from, Freshness::ToReceive)).await
}

/// Repeats a lookup until the relay has answered it.
async fn repeat_lookup<T, F: Future<Output = Result<T, Error>>>(
    look_up: impl Fn() -> F,
) -> Result<T, Unverified> {
    loop {
        let error = match look_up().await {
            Ok(found) => return Ok(found),
            Err(error) => error,
        };
        if let Some(reason) = refusal_after_lookup(&error) {
            return Err(Unverified::Refused(reason));
        }
        if error.kind() == ErrorKind::State {
            // The disk is full: messages of agents that are known already must not wait for it.
            let (seconds, is_ahead) = (DISK_RETRY_INTERVAL_SECONDS, false);
            return Err(Unverified::Later { seconds, is_ahead, cause: error.chain() });
        }
        tracing::info!(error = error.chain(), "cannot look up the sender of a message now; trying again");
        tokio::time::sleep(lookup_delay(error.retry_after())).await;
    }
}

/// Why a message is refused whose sender cannot be looked up. `None` if the next attempt may
/// succeed.
fn refusal_after_lookup(error: &Error) -> Option<RefusalReason> {
    match error.kind() {
        ErrorKind::KeyChanged => Some(RefusalReason::KeyChanged),
        ErrorKind::Unverified => Some(RefusalReason::BadRecord),
        ErrorKind::Rejected(_) if error.is_not_found() => Some(RefusalReason::UnknownSender),
        _ => None,
    }
}

fn lookup_delay(asked: Option<Duration>) -> Duration {
    asked.unwrap_or(LOOKUP_RETRY_INTERVAL).min(MAX_LOOKUP_RETRY_INTERVAL)
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
    if destination == Destination::WrongResponder {
        refuse(state, seq, RefusalReason::WrongResponder, Some((&from, id)));
        return Ok(());
    }
    let evidence = Evidence::new(envelope, prk, sender.document.clone());
    let received = Arc::new(Received { header, content, evidence });
    if received.is_reliable() {
        match state.acknowledgements.hold(seq, &received) {
            Hold::New => {}
            Hold::Duplicate => return Ok(()),
            Hold::Full => {
                let attempt = "the relay sent more unacknowledged messages than its window allows";
                return Err(Error::new(ErrorKind::Protocol, attempt));
            }
        }
    } else if !state.acknowledgements.accept_ephemeral(seq, &received) {
        report(state, DiscardReason::Replayed, Some((&from, id)));
        return Ok(());
    }
    show(state, received, destination);
    Ok(())
}

/// Hands an admitted message to the request that it answers, or to the inbox.
pub(super) fn show(state: &AgentState, received: Arc<Received>, destination: Destination) {
    let (from, id) = received.key();
    if let Some(re) = received.header.re {
        // Whoever answers a message has it.
        state.tell_paths(&from, re, SentNews::Answered);
    }
    let for_inbox = match destination {
        Destination::Requester => state.pending_requests.complete(received).err(),
        Destination::Inbox | Destination::WrongResponder => Some(received),
    };
    if for_inbox.is_some_and(|received| !state.queue.push(received)) {
        report(state, DiscardReason::NoRoom, Some((&from, id)));
    }
}

fn refuse(state: &AgentState, seq: u64, reason: RefusalReason, claimed: Option<(&Did, MessageId)>) {
    report(state, DiscardReason::Refused(reason), claimed);
    state.acknowledgements.refuse(seq, reason);
}

pub(super) fn report(state: &AgentState, reason: DiscardReason, claimed: Option<(&Did, MessageId)>) {
    let claimed_from = claimed.map(|(from, _)| from.to_string()).unwrap_or_default();
    state.refusals.record(Refusal { claimed_from, id: claimed.map(|(_, id)| id), reason });
}

#[cfg(test)]
mod tests {
    use protocol::Reason;

    use super::*;

    #[test]
    fn only_what_the_relay_knows_for_sure_refuses_the_message_of_a_sender() {
        let refused = |kind| refusal_after_lookup(&Error::new(kind, "cannot look up"));
        assert_eq!(refused(ErrorKind::KeyChanged), Some(RefusalReason::KeyChanged));
        assert_eq!(refused(ErrorKind::Unverified), Some(RefusalReason::BadRecord));
        assert_eq!(refused(ErrorKind::Rejected(Reason::NotFound)), Some(RefusalReason::UnknownSender));
        for kind in [
            ErrorKind::Timeout,
            ErrorKind::Overloaded,
            ErrorKind::State,
            ErrorKind::Protocol,
            ErrorKind::Rejected(Reason::RateLimited),
            ErrorKind::Rejected(Reason::Overloaded),
            ErrorKind::Rejected(Reason::Internal),
        ] {
            assert_eq!(refused(kind), None, "{kind:?}");
        }
    }

    #[test]
    fn a_lookup_waits_as_long_as_the_relay_asks_within_a_limit() {
        assert_eq!(lookup_delay(None), LOOKUP_RETRY_INTERVAL);
        assert_eq!(lookup_delay(Some(Duration::from_millis(50))), Duration::from_millis(50));
        assert_eq!(lookup_delay(Some(Duration::MAX)), MAX_LOOKUP_RETRY_INTERVAL);
    }
}
