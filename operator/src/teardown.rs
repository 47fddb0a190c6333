//! Deletes the content of a deleted object from its relay. A deletion waits for the relay's
//! confirmation, but at most for a fixed time after the relay was asked.
//!
//! An object that is let go without a confirmation is not forgotten: the relay still records it as
//! the owner of the entry, and the sweep deletes such entries when the relay answers again.

use std::time::Duration;

use kube::runtime::events::{Event, EventType};
use kube::{Resource, ResourceExt as _};
use protocol::Reason;
use protocol::admin::DeletionPolicy;

use crate::claimants::{self, RecordedOwner};
use crate::context::Context;
use crate::deleted_objects::DeletedObjects;
use crate::error::{Error, Result};
use crate::object_key::{NamespacedName, ObjectKey};
use crate::observed::Observed;
use crate::relay_api::RelayError;
use crate::status_writer;

/// Longest time that a deletion waits for a relay that was contacted and does not confirm.
const CONFIRMATION_TIMEOUT: Duration = Duration::from_secs(600);
/// The same when the relay or a namespace is being deleted too. It counts even if the relay was
/// never contacted, so that a dead relay can be deleted.
const TERMINATING_CONFIRMATION_TIMEOUT: Duration = Duration::from_secs(60);
/// Interval between two attempts.
const RETRY_INTERVAL: Duration = Duration::from_secs(2);

/// The result of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The relay confirmed the deletion.
    Confirmed,
    /// No relay has content of this object, as far as is known.
    Gone,
    /// The relay did not confirm in time. It may still have the content.
    Unconfirmed,
    /// Try again after this delay.
    Wait(Duration),
}

/// A deletion at a relay.
#[derive(Debug)]
pub struct Deletion<'a> {
    pub relay: &'a NamespacedName,
    /// Whether the entry at the relay belongs to the deleted object.
    pub entry: Observed<bool>,
    pub policy: DeletionPolicy,
}

/// Whether the entry at the relay belongs to the deleted object. An entry of nobody does if the
/// object is accepted, because it could claim it.
#[must_use]
pub fn entry(object: &impl Resource, recorded: &RecordedOwner, is_accepted: bool) -> Observed<bool> {
    match recorded {
        Observed::Unknown => Observed::Unknown,
        Observed::Known(None) => Observed::Known(is_accepted),
        Observed::Known(Some(_)) => Observed::Known(claimants::owns(object, recorded)),
    }
}

/// What the relay answered to an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answer {
    Deleted,
    /// The entry is gone, or belongs to somebody else.
    NotOurs,
    /// No replica was there, one failed, or nobody was asked because the owner is not known.
    None,
}

/// Everything that the decision about waiting depends on.
#[derive(Debug, Clone, Copy)]
struct PendingDeletion {
    answer: Answer,
    /// The time since the first attempt that counts. `None`: there was none.
    waited: Option<Duration>,
    is_terminating: bool,
}

fn decide(deletion: PendingDeletion) -> Outcome {
    match deletion.answer {
        Answer::Deleted => return Outcome::Confirmed,
        Answer::NotOurs => return Outcome::Gone,
        Answer::None => {}
    }
    let timeout =
        if deletion.is_terminating { TERMINATING_CONFIRMATION_TIMEOUT } else { CONFIRMATION_TIMEOUT };
    match deletion.waited {
        Some(waited) if waited >= timeout => Outcome::Unconfirmed,
        Some(_) | None => Outcome::Wait(RETRY_INTERVAL),
    }
}

fn answer(deleted: &Result<bool, RelayError>) -> Answer {
    match deleted {
        Ok(true) => Answer::Deleted,
        Err(error) if matches!(error.reason(), Some(Reason::OwnerConflict | Reason::NotFound)) => {
            Answer::NotOurs
        }
        Ok(false) | Err(_) => Answer::None,
    }
}

/// Deletes the content at `path` from the relay.
///
/// # Errors
/// [`Error::Relay`] when the relay refuses, before the timeout.
pub async fn delete_content<K: Resource<DynamicType = ()>>(
    context: &Context,
    object: &K,
    deletion: &Deletion<'_>,
    path: &str,
) -> Result<Outcome> {
    let Some(relay) = context.caches.relay(deletion.relay) else { return Ok(Outcome::Gone) };
    let uid = object.uid().unwrap_or_default();
    let deleted = match deletion.entry {
        Observed::Known(false) => return Ok(Outcome::Gone),
        Observed::Known(true) => {
            let writer = context.relay_replicas.writer(&uid);
            context.relay_replicas.delete(deletion.relay, path, &writer, Some(deletion.policy)).await
        }
        Observed::Unknown => Ok(false),
    };
    let is_terminating = relay.metadata.deletion_timestamp.is_some()
        || [&*object.namespace().unwrap_or_default(), &*deletion.relay.namespace]
            .into_iter()
            .any(|namespace| context.caches.is_terminating(namespace));
    let counts = is_terminating || !deletion.entry.is_unknown();
    let waited = context.first_attempts.waited(&uid, counts, context.now());
    let outcome = decide(PendingDeletion { answer: answer(&deleted), waited, is_terminating });
    match (outcome, deleted) {
        (Outcome::Wait(_), Err(error)) if error.is_refusal() => return Err(Error::Relay(error)),
        (Outcome::Wait(_), _) => {}
        _ => context.first_attempts.forget(&uid),
    }
    Ok(outcome)
}

/// The deleted objects of one name, whose entries at relays may remain. What is not removed is put
/// back, also when the worker is dropped.
struct Leftovers<'a> {
    deleted: &'a DeletedObjects,
    key: &'a ObjectKey,
    uids: Vec<String>,
}

impl Drop for Leftovers<'_> {
    fn drop(&mut self) {
        self.deleted.put_back(self.key.clone(), std::mem::take(&mut self.uids));
    }
}

/// Removes what deleted objects of this name own at the relays, as their deletion policy says.
///
/// # Errors
/// The first error. The object is not forgotten then.
pub async fn remove_leftovers(context: &Context, key: &ObjectKey) -> Result<()> {
    let uids = context.deleted.take(key);
    let mut leftovers = Leftovers { deleted: &context.deleted, key, uids };
    while let Some(uid) = leftovers.uids.last() {
        context.relay_replicas.remove_owned(uid).await?;
        context.sent_statuses.forget(uid);
        context.first_attempts.forget(uid);
        leftovers.uids.pop();
    }
    Ok(())
}

/// Publishes the outcome as an Event, and counts unconfirmed deletions.
pub async fn publish<K: Resource<DynamicType = ()>>(context: &Context, object: &K, outcome: &Outcome) {
    let (type_, reason, note) = match outcome {
        Outcome::Confirmed => (EventType::Normal, "Revoked", "the relay no longer accepts its keys"),
        Outcome::Unconfirmed => {
            context.metrics.unconfirmed_revocations.inc();
            let note = "the relay did not confirm in time; its keys are revoked when the relay answers";
            (EventType::Warning, "RevocationUnconfirmed", note)
        }
        Outcome::Gone | Outcome::Wait(_) => return,
    };
    let event = Event {
        type_,
        reason: reason.into(),
        note: Some(note.into()),
        action: "Delete".into(),
        secondary: None,
    };
    status_writer::publish(context, object, event).await;
}

#[cfg(test)]
mod tests {
    use crds::Tenant;
    use protocol::admin::Owner;

    use super::*;

    const PENDING: PendingDeletion =
        PendingDeletion { answer: Answer::None, waited: Some(Duration::ZERO), is_terminating: false };
    const WAIT: Outcome = Outcome::Wait(Duration::from_secs(2));

    fn after(seconds: u64, deletion: PendingDeletion) -> Outcome {
        decide(PendingDeletion { waited: Some(Duration::from_secs(seconds)), ..deletion })
    }

    #[test]
    fn a_deletion_waits_ten_minutes_for_a_relay_that_was_contacted() {
        assert_eq!(after(0, PENDING), WAIT);
        assert_eq!(after(599, PENDING), WAIT);
        assert_eq!(after(600, PENDING), Outcome::Unconfirmed);
    }

    #[test]
    fn a_terminating_namespace_or_relay_is_blocked_for_a_minute_at_most() {
        let terminating = PendingDeletion { is_terminating: true, ..PENDING };
        assert_eq!(after(59, terminating), WAIT);
        assert_eq!(after(60, terminating), Outcome::Unconfirmed);
    }

    #[test]
    fn a_relay_that_was_never_asked_is_waited_for_however_long_the_object_is_deleted() {
        assert_eq!(decide(PendingDeletion { waited: None, ..PENDING }), WAIT);
        assert_eq!(decide(PendingDeletion { waited: None, is_terminating: true, ..PENDING }), WAIT);
    }

    #[test]
    fn only_an_answer_of_the_relay_confirms_a_deletion() {
        let refused = |reason| {
            let address = "127.0.0.1:8082".parse().unwrap();
            Err(RelayError::Refused { address, status: 409, reason: Some(reason), detail: String::new() })
        };
        assert_eq!(answer(&Ok(true)), Answer::Deleted);
        assert_eq!(answer(&Ok(false)), Answer::None, "no replica is there");
        assert_eq!(answer(&refused(Reason::OwnerConflict)), Answer::NotOurs);
        assert_eq!(answer(&refused(Reason::NotFound)), Answer::NotOurs);
        assert_eq!(answer(&refused(Reason::StaleTerm)), Answer::None);
        assert_eq!(decide(PendingDeletion { answer: Answer::Deleted, ..PENDING }), Outcome::Confirmed);
        assert_eq!(decide(PendingDeletion { answer: Answer::NotOurs, ..PENDING }), Outcome::Gone);
    }

    #[test]
    fn what_was_not_removed_is_not_forgotten() {
        let deleted = DeletedObjects::default();
        let key = NamespacedName::new("team", "alice").key(crate::object_key::Kind::Agent);
        deleted.put_back(key.clone(), vec!["1".into(), "2".into()]);
        let mut leftovers = Leftovers { deleted: &deleted, key: &key, uids: deleted.take(&key) };
        leftovers.uids.pop();
        drop(leftovers);
        assert_eq!(deleted.take(&key), ["1"]);
    }

    #[test]
    fn a_forged_finalizer_deletes_nothing_and_an_unknown_owner_decides_nothing() {
        let forged: Tenant = serde_json::from_value(serde_json::json!({
            "apiVersion": "msg2agent.xyz/v1alpha1", "kind": "Tenant",
            "metadata": {"name": "acme", "namespace": "evil", "uid": "forged",
                "finalizers": ["msg2agent.xyz/tenant-teardown"]},
            "spec": {"relayRef": {"name": "main", "namespace": "platform"}},
        }))
        .unwrap();
        let recorded = |owner: Owner| Observed::Known(Some(owner));
        assert_eq!(
            entry(&forged, &recorded(Owner::Kubernetes("holder".into())), true),
            Observed::Known(false)
        );
        assert_eq!(entry(&forged, &recorded(Owner::CommandLine), true), Observed::Known(false));
        assert_eq!(entry(&forged, &Observed::Known(None), false), Observed::Known(false));
        assert_eq!(entry(&forged, &Observed::Unknown, true), Observed::Unknown);
        assert_eq!(entry(&forged, &Observed::Known(None), true), Observed::Known(true), "it is accepted");
        assert_eq!(
            entry(&forged, &recorded(Owner::Kubernetes("forged".into())), false),
            Observed::Known(true)
        );
    }
}
