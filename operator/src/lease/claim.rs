//! Whether the Lease is ours to write. Pure; the monotonic time comes in.

use k8s_openapi::api::coordination::v1::Lease;
use tokio::time::Instant;

use super::DURATION;

/// The record as we saw it last, and since when it has looked like that.
#[derive(Debug, Clone, Default)]
pub(super) struct Seen(Option<(String, Instant)>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Claim {
    Create,
    Renew,
    Take,
    Wait,
}

pub(super) fn decide(found: Option<&Lease>, identity: &str, seen: &mut Seen, now: Instant) -> Claim {
    let Some(lease) = found else { return Claim::Create };
    let holder = lease.spec.as_ref().and_then(|spec| spec.holder_identity.as_deref()).unwrap_or_default();
    if holder == identity {
        return Claim::Renew;
    }
    if holder.is_empty() {
        return Claim::Take;
    }
    let version = lease.metadata.resource_version.clone().unwrap_or_default();
    match &seen.0 {
        Some((known, since)) if *known == version => {
            if now.saturating_duration_since(*since) >= DURATION {
                Claim::Take
            } else {
                Claim::Wait
            }
        }
        _ => {
            seen.0 = Some((version, now));
            Claim::Wait
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

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
        let (mut seen, mut now) = (Seen::default(), Instant::now());
        for version in 0..20 {
            assert_eq!(
                decide(Some(&lease("other", &version.to_string())), "me", &mut seen, now),
                Claim::Wait
            );
            now += Duration::from_secs(10);
        }
    }

    #[test]
    fn a_silent_holder_is_replaced_after_the_duration_and_not_before() {
        let (mut seen, now) = (Seen::default(), Instant::now());
        let held = lease("other", "7");
        assert_eq!(decide(Some(&held), "me", &mut seen, now), Claim::Wait);
        assert_eq!(
            decide(Some(&held), "me", &mut seen, now + DURATION - Duration::from_millis(1)),
            Claim::Wait
        );
        assert_eq!(decide(Some(&held), "me", &mut seen, now + DURATION), Claim::Take);
    }

    #[test]
    fn a_lease_given_back_is_taken_at_once() {
        let mut seen = Seen::default();
        assert_eq!(decide(Some(&lease("", "7")), "me", &mut seen, Instant::now()), Claim::Take);
        assert_eq!(decide(None, "me", &mut seen, Instant::now()), Claim::Create);
        assert_eq!(decide(Some(&lease("me", "8")), "me", &mut seen, Instant::now()), Claim::Renew);
    }
}
