//! From a delivery to the inbox: standing, sender, signature, place. One delivery at a time, in the relay's order.

use std::sync::Arc;

use protocol::envelope::{Class, Envelope, Header, MessageId, OpenError, Opened, open};
use protocol::record::VerifiedRecord;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::ledger::Standing;
use crate::call::Caller;
use crate::contacts::Freshness;
use crate::message::Received;
use crate::refusal::{Refusal, RefusalReason};
use crate::shared::Shared;
use crate::waiters::Claim;
use crate::{Error, ErrorKind, Evidence, clock};

/// A `relay.deliver`, its envelope not looked at yet, so that a bad one can still be settled by its number.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Delivery {
    pub(crate) epoch: u64,
    pub(crate) seq: u64,
    envelope: Box<RawValue>,
}

/// Lets a message in, or refuses it; either way it does not stand in the way of the next.
///
/// # Errors
/// The sender cannot be looked up now, or the application holds too many messages: the session ends, and the relay delivers
/// the message again.
pub(crate) async fn admit(shared: &Shared, caller: &Caller, delivery: Delivery) -> Result<(), Error> {
    let Ok(envelope) = Envelope::parse(delivery.envelope.get()) else {
        refuse(shared, delivery.seq, RefusalReason::Malformed, None);
        return Ok(());
    };
    let key = (envelope.from.clone(), envelope.id);
    if envelope.class == Class::Reliable {
        match shared.acks.arrived(delivery.seq, &key) {
            Standing::New => {}
            Standing::Held => return Ok(()),
            Standing::Processed => {
                refuse(shared, delivery.seq, RefusalReason::Replayed, Some((&key.0, key.1)));
                return Ok(());
            }
        }
    }
    match verify(shared, caller, &envelope).await {
        Ok((opened, sender)) => place(shared, delivery.seq, envelope, opened, &sender),
        Err(Rejected::Refused(reason)) => {
            refuse(shared, delivery.seq, reason, Some((&envelope.from, envelope.id)));
            Ok(())
        }
        Err(Rejected::NotNow(error)) => Err(error),
    }
}

enum Rejected {
    Refused(RefusalReason),
    NotNow(Error),
}

/// Opens the envelope under the sender's record; a signing key that the known record does not name is looked up once.
async fn verify(
    shared: &Shared,
    caller: &Caller,
    envelope: &Envelope,
) -> Result<(Opened, Arc<VerifiedRecord>), Rejected> {
    let sender = sender(shared, caller, envelope, Freshness::Any).await?;
    let identity = shared.identity();
    let refused = |e: &OpenError| Rejected::Refused(e.into());
    match open(envelope, &sender.keys, &identity, clock::now()) {
        Ok(opened) => Ok((opened, sender)),
        Err(OpenError::UnknownSigningKey(_)) => {
            let sender = self::sender(shared, caller, envelope, Freshness::Now).await?;
            let opened = open(envelope, &sender.keys, &identity, clock::now()).map_err(|e| refused(&e))?;
            Ok((opened, sender))
        }
        Err(e) => Err(refused(&e)),
    }
}

async fn sender(
    shared: &Shared,
    caller: &Caller,
    envelope: &Envelope,
    freshness: Freshness,
) -> Result<Arc<VerifiedRecord>, Rejected> {
    shared.contacts.resolve(caller, &envelope.from, freshness).await.map_err(|error| match error.kind() {
        ErrorKind::KeyChanged => Rejected::Refused(RefusalReason::KeyChanged),
        ErrorKind::Unverified => Rejected::Refused(RefusalReason::BadRecord),
        ErrorKind::Rejected(_) if error.is_not_found() => Rejected::Refused(RefusalReason::UnknownSender),
        _ => Rejected::NotNow(error),
    })
}

fn place(
    shared: &Shared,
    seq: u64,
    envelope: Envelope,
    opened: Opened,
    sender: &VerifiedRecord,
) -> Result<(), Error> {
    let Opened { header, content, prk } = opened;
    let sender_id = (header.from.clone(), header.id);
    let claim = shared.waiters.claim(&header);
    if let Some(reason) = objection(shared, seq, &header, &claim)? {
        refuse(shared, seq, reason, Some((&sender_id.0, sender_id.1)));
        return Ok(());
    }
    let evidence = Evidence::new(envelope, prk, sender.document.clone());
    let received = Arc::new(Received { header, content, evidence });
    let left_over = match claim {
        Claim::Answer => hand_over(shared, received)?,
        _ => Some(received),
    };
    if left_over.is_some_and(|received| !shared.queue.push(received)) {
        let (claimed_from, id) = (sender_id.0.to_string(), Some(sender_id.1));
        shared.refusals.record(Refusal { claimed_from, id, reason: RefusalReason::NoRoom });
    }
    Ok(())
}

/// Why a verified message is not shown; with none it has its place.
fn objection(
    shared: &Shared,
    seq: u64,
    header: &Header,
    claim: &Claim,
) -> Result<Option<RefusalReason>, Error> {
    if *claim == Claim::WrongResponder {
        return Ok(Some(RefusalReason::WrongResponder));
    }
    match header.class {
        Class::Ephemeral if shared.acks.pass(seq, header) => Ok(None),
        Class::Ephemeral => Ok(Some(RefusalReason::Replayed)),
        Class::Reliable if shared.acks.hold(seq, (header.from.clone(), header.id)) => Ok(None),
        Class::Reliable => {
            Err(Error::new(ErrorKind::State, "the application holds too many unacknowledged messages"))
        }
    }
}

/// An answer is processed once its asker has it.
fn hand_over(shared: &Shared, received: Arc<Received>) -> Result<Option<Arc<Received>>, Error> {
    match shared.waiters.hand_over(Arc::clone(&received)) {
        Ok(()) if received.header.class == Class::Reliable => {
            shared.acks.processed(&received.header).map(|()| None)
        }
        Ok(()) => Ok(None),
        Err(back) => Ok(Some(back)),
    }
}

fn refuse(shared: &Shared, seq: u64, reason: RefusalReason, claimed: Option<(&protocol::Did, MessageId)>) {
    let claimed_from = claimed.map(|(from, _)| from.to_string()).unwrap_or_default();
    shared.refusals.record(Refusal { claimed_from, id: claimed.map(|(_, id)| id), reason });
    shared.acks.settle(seq);
}
