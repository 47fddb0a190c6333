//! What a deletion waits for: the relay has forgotten the object, or a bound has passed. Nothing waits for ever.

use std::time::Duration;

use kube::runtime::events::{Event, EventType};
use kube::{Resource, ResourceExt as _};

use crate::context::Context;
use crate::error::{Error, Result};
use crate::key::Name;
use crate::status;

/// Longest wait for a relay that does not answer.
const DEADLINE: Duration = Duration::from_secs(600);
/// Longest wait when the namespace goes with everything in it.
const TERMINATING_DEADLINE: Duration = Duration::from_secs(60);
/// How soon a relay that does not answer is tried again.
const RETRY: Duration = Duration::from_secs(2);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The relay confirmed.
    Confirmed,
    /// There is no relay that could know the object.
    Gone,
    /// The bound passed; the relay may still know the object.
    Unconfirmed,
    Wait(Duration),
}

/// What decides whether to go on waiting. Pure.
#[derive(Debug, Clone, Copy)]
struct Wait {
    waited: Duration,
    relay_exists: bool,
    relay_is_going: bool,
    namespace_is_going: bool,
}

fn decide(wait: Wait) -> Outcome {
    if !wait.relay_exists {
        return Outcome::Gone;
    }
    let bound = if wait.relay_is_going || wait.namespace_is_going { TERMINATING_DEADLINE } else { DEADLINE };
    if wait.waited >= bound { Outcome::Unconfirmed } else { Outcome::Wait(RETRY) }
}

/// Removes `path` from the relay.
///
/// # Errors
/// A refusal of the relay before the bound.
pub async fn erase<K: Resource<DynamicType = ()>>(
    context: &Context,
    object: &K,
    relay: &Name,
    path: &str,
) -> Result<Outcome> {
    let failure = match context.fleet.erase(relay, path).await {
        Ok(true) => return Ok(Outcome::Confirmed),
        Ok(false) => None,
        Err(error) => Some(error),
    };
    let going = context.world.relay(relay);
    let outcome = decide(Wait {
        waited: waited(object, context.now()),
        relay_exists: going.is_some(),
        relay_is_going: going.is_some_and(|relay| relay.metadata.deletion_timestamp.is_some()),
        namespace_is_going: [&*object.namespace().unwrap_or_default(), &*relay.namespace]
            .into_iter()
            .any(|namespace| context.world.is_terminating(namespace)),
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

/// An Event, and a metric where nobody confirmed.
pub async fn tell<K: Resource<DynamicType = ()>>(context: &Context, object: &K, outcome: &Outcome) {
    let (type_, reason, note) = match outcome {
        Outcome::Confirmed => (EventType::Normal, "Revoked", "the relay refuses its keys"),
        Outcome::Unconfirmed => {
            context.metrics.unconfirmed_revocations.inc();
            let note =
                "the relay did not answer in time: it may still accept its keys until it is written to again";
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
    status::publish(context, object, event).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    const WAIT: Wait =
        Wait { waited: Duration::ZERO, relay_exists: true, relay_is_going: false, namespace_is_going: false };

    #[test]
    fn a_deletion_waits_for_its_relay_but_not_for_ever() {
        assert_eq!(decide(WAIT), Outcome::Wait(RETRY));
        assert_eq!(decide(Wait { waited: DEADLINE, ..WAIT }), Outcome::Unconfirmed);
    }

    #[test]
    fn a_relay_that_is_gone_is_not_waited_for() {
        assert_eq!(decide(Wait { relay_exists: false, ..WAIT }), Outcome::Gone);
    }

    #[test]
    fn a_namespace_that_goes_is_held_up_a_minute_at_most() {
        for wait in [Wait { namespace_is_going: true, ..WAIT }, Wait { relay_is_going: true, ..WAIT }] {
            assert_eq!(decide(wait), Outcome::Wait(RETRY));
            assert_eq!(decide(Wait { waited: TERMINATING_DEADLINE, ..wait }), Outcome::Unconfirmed);
        }
    }
}
