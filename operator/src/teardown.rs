//! Deletes the content of a deleted object from its relay. A deletion waits for the relay's
//! confirmation, but at most for a fixed time.

use std::time::Duration;

use kube::runtime::events::{Event, EventType};
use kube::{Resource, ResourceExt as _};

use crate::context::Context;
use crate::error::{Error, Result};
use crate::object_key::NamespacedName;
use crate::status_writer;

/// Longest time that a deletion waits for a relay that does not answer.
const CONFIRMATION_TIMEOUT: Duration = Duration::from_secs(600);
/// The same when the relay or a namespace is being deleted too.
const TERMINATING_CONFIRMATION_TIMEOUT: Duration = Duration::from_secs(60);
/// Interval between two attempts.
const RETRY_INTERVAL: Duration = Duration::from_secs(2);

/// The result of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The relay confirmed the deletion.
    Confirmed,
    /// No relay can have the content.
    Gone,
    /// The relay did not confirm in time. It may still have the content.
    Unconfirmed,
    /// Try again after this delay.
    Wait(Duration),
}

/// Everything that the decision about waiting depends on.
#[derive(Debug, Clone, Copy)]
struct PendingDeletion {
    waited: Duration,
    relay_exists: bool,
    relay_is_terminating: bool,
    namespace_is_terminating: bool,
}

fn decide(deletion: PendingDeletion) -> Outcome {
    if !deletion.relay_exists {
        return Outcome::Gone;
    }
    let is_terminating = deletion.relay_is_terminating || deletion.namespace_is_terminating;
    let timeout = if is_terminating { TERMINATING_CONFIRMATION_TIMEOUT } else { CONFIRMATION_TIMEOUT };
    if deletion.waited >= timeout { Outcome::Unconfirmed } else { Outcome::Wait(RETRY_INTERVAL) }
}

/// Deletes the content at `path` from the relay.
///
/// # Errors
/// [`Error::Relay`] when the relay refuses, before the timeout.
pub async fn delete_content<K: Resource<DynamicType = ()>>(
    context: &Context,
    object: &K,
    relay: &NamespacedName,
    path: &str,
) -> Result<Outcome> {
    let writer = context.relay_replicas.writer(&object.uid().unwrap_or_default());
    let failure = match context.relay_replicas.delete(relay, path, &writer, None).await {
        Ok(true) => return Ok(Outcome::Confirmed),
        Ok(false) => None,
        Err(error) => Some(error),
    };
    let found = context.caches.relay(relay);
    let outcome = decide(PendingDeletion {
        waited: waited(object, context.now()),
        relay_exists: found.is_some(),
        relay_is_terminating: found.is_some_and(|relay| relay.metadata.deletion_timestamp.is_some()),
        namespace_is_terminating: [&*object.namespace().unwrap_or_default(), &*relay.namespace]
            .into_iter()
            .any(|namespace| context.caches.is_terminating(namespace)),
    });
    match (outcome, failure) {
        (Outcome::Wait(_), Some(error)) if error.is_refusal() => Err(Error::Relay(error)),
        (outcome, _) => Ok(outcome),
    }
}

fn waited(object: &impl Resource, now: jiff::Timestamp) -> Duration {
    let since = object.meta().deletion_timestamp.as_ref().map_or(now, |time| time.0);
    Duration::from_secs(u64::try_from(now.as_second().saturating_sub(since.as_second())).unwrap_or(0))
}

/// Publishes the outcome as an Event, and counts unconfirmed deletions.
pub async fn publish<K: Resource<DynamicType = ()>>(context: &Context, object: &K, outcome: &Outcome) {
    let (type_, reason, note) = match outcome {
        Outcome::Confirmed => (EventType::Normal, "Revoked", "the relay no longer accepts its keys"),
        Outcome::Unconfirmed => {
            context.metrics.unconfirmed_revocations.inc();
            let note = "the relay did not confirm in time and may still accept its keys";
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
    use super::*;

    const PENDING: PendingDeletion = PendingDeletion {
        waited: Duration::ZERO,
        relay_exists: true,
        relay_is_terminating: false,
        namespace_is_terminating: false,
    };

    #[test]
    fn a_deletion_waits_for_its_relay_for_a_limited_time() {
        assert_eq!(decide(PENDING), Outcome::Wait(RETRY_INTERVAL));
        assert_eq!(decide(PendingDeletion { waited: CONFIRMATION_TIMEOUT, ..PENDING }), Outcome::Unconfirmed);
    }

    #[test]
    fn a_deletion_does_not_wait_for_a_relay_that_does_not_exist() {
        assert_eq!(decide(PendingDeletion { relay_exists: false, ..PENDING }), Outcome::Gone);
    }

    #[test]
    fn a_terminating_namespace_is_blocked_for_a_minute_at_most() {
        for deletion in [
            PendingDeletion { namespace_is_terminating: true, ..PENDING },
            PendingDeletion { relay_is_terminating: true, ..PENDING },
        ] {
            assert_eq!(decide(deletion), Outcome::Wait(RETRY_INTERVAL));
            assert_eq!(
                decide(PendingDeletion { waited: TERMINATING_CONFIRMATION_TIMEOUT, ..deletion }),
                Outcome::Unconfirmed
            );
        }
    }
}
