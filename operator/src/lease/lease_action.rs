//! Decides whether this replica may write the Lease. Pure; the monotonic time is an argument.

use std::time::Duration;

use k8s_openapi::api::coordination::v1::Lease;
use tokio::time::Instant;

/// How long a record that does not change is valid.
pub const LEASE_TTL: Duration = Duration::from_secs(15);

/// The last observed resourceVersion of the Lease, and when it was first observed.
#[derive(Debug, Clone, Default)]
pub(super) struct ObservedRecord(Option<(String, Instant)>);

/// What this replica does with the Lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LeaseAction {
    Create,
    Renew,
    /// Take over a Lease that was released or has expired, or begin a new term with one's own.
    Acquire,
    Wait,
}

/// Decides with the Lease that was `found`. `leads` is whether this replica leads in a term that it
/// may go on with.
pub(super) fn decide(
    found: Option<&Lease>,
    identity: &str,
    leads: bool,
    observed: &mut ObservedRecord,
    now: Instant,
) -> LeaseAction {
    let Some(lease) = found else { return LeaseAction::Create };
    let holder = lease.spec.as_ref().and_then(|spec| spec.holder_identity.as_deref()).unwrap_or_default();
    if holder == identity {
        return if leads { LeaseAction::Renew } else { LeaseAction::Acquire };
    }
    if holder.is_empty() {
        return LeaseAction::Acquire;
    }
    let version = lease.metadata.resource_version.clone().unwrap_or_default();
    match &observed.0 {
        Some((known, since)) if *known == version => {
            if now.saturating_duration_since(*since) >= LEASE_TTL {
                LeaseAction::Acquire
            } else {
                LeaseAction::Wait
            }
        }
        _ => {
            observed.0 = Some((version, now));
            LeaseAction::Wait
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lease(holder: &str, version: &str) -> Lease {
        serde_json::from_value(serde_json::json!({
            "metadata": {"resourceVersion": version},
            // A clock that is hours ahead or behind must not matter.
            "spec": {"holderIdentity": holder, "renewTime": "2001-01-01T00:00:00.000000Z"},
        }))
        .unwrap()
    }

    #[test]
    fn a_holder_that_renews_keeps_the_lease_whatever_its_clock_says() {
        let (mut observed, mut now) = (ObservedRecord::default(), Instant::now());
        for version in 0..20 {
            assert_eq!(
                decide(Some(&lease("other", &version.to_string())), "me", false, &mut observed, now),
                LeaseAction::Wait
            );
            now += Duration::from_secs(10);
        }
    }

    #[test]
    fn a_holder_that_does_not_renew_is_replaced_when_its_lease_expires_and_not_before() {
        let (mut observed, now) = (ObservedRecord::default(), Instant::now());
        let held = lease("other", "7");
        assert_eq!(decide(Some(&held), "me", false, &mut observed, now), LeaseAction::Wait);
        assert_eq!(
            decide(Some(&held), "me", false, &mut observed, now + LEASE_TTL - Duration::from_millis(1)),
            LeaseAction::Wait
        );
        assert_eq!(decide(Some(&held), "me", false, &mut observed, now + LEASE_TTL), LeaseAction::Acquire);
    }

    #[test]
    fn a_released_lease_is_acquired_at_once() {
        let mut observed = ObservedRecord::default();
        assert_eq!(
            decide(Some(&lease("", "7")), "me", false, &mut observed, Instant::now()),
            LeaseAction::Acquire
        );
        assert_eq!(decide(None, "me", false, &mut observed, Instant::now()), LeaseAction::Create);
    }

    #[test]
    fn a_holder_that_stopped_leading_begins_a_new_term() {
        let (mut observed, now) = (ObservedRecord::default(), Instant::now());
        let own = lease("me", "8");
        assert_eq!(decide(Some(&own), "me", true, &mut observed, now), LeaseAction::Renew);
        assert_eq!(decide(Some(&own), "me", false, &mut observed, now), LeaseAction::Acquire);
    }
}
