//! Tests of when a relay is asked, counts as lost, and is listed.

use super::*;

fn answer(last: u8, instance: &str, version: u64) -> (SocketAddr, Version) {
    let version = Version {
        version,
        instance: instance.into(),
        domain: "example.com".parse().unwrap(),
        build: "0.1.0".into(),
        capabilities: BTreeSet::new(),
    };
    (SocketAddr::from(([10, 0, 0, last], 8082)), version)
}

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

/// A relay that has answered and was listed at `now`.
fn listed(now: Instant) -> RelayState {
    let mut state = RelayState::new(1);
    state.answered(&[answer(1, "a", 3)], now);
    let entries = &mut state.replicas.get_mut("a").unwrap().entries;
    let ticket = entries.begin_listing();
    entries.merge(ticket, &std::collections::BTreeMap::new());
    state.set_listed(Some(now));
    state
}

#[test]
fn the_times_of_a_relay_are_what_the_documentation_says() {
    assert_eq!((LOST_GRACE, SWEEP_INTERVAL), (seconds(60), seconds(300)));
}

#[test]
fn a_relay_that_never_answered_is_unknown_however_long_it_is_silent() {
    let (mut state, now) = (RelayState::new(1), Instant::now());
    for attempt in 0..100 {
        let now = now + seconds(60 * attempt);
        state.answered(&[], now);
        assert_eq!(state.contact_state(now), Observed::Unknown);
        assert_eq!(state.availability(now), Availability::Unknown);
    }
}

#[test]
fn a_silent_relay_is_not_asked_and_counts_as_lost_after_a_while() {
    let now = Instant::now();
    let mut state = listed(now);
    assert_eq!(state.availability(now), Availability::Available);
    state.fell_silent(now);
    assert_eq!(state.availability(now + seconds(59)), Availability::Silent);
    assert_eq!(state.contact_state(now + seconds(59)), Observed::Known(ContactState::Reached));
    state.answered(&[], now + seconds(59));
    assert_eq!(state.availability(now + seconds(60)), Availability::Lost);
    assert_eq!(state.contact_state(now + seconds(60)), Observed::Known(ContactState::Lost));
    state.answered(&[answer(1, "a", 3)], now + seconds(61));
    assert_eq!(state.availability(now + seconds(61)), Availability::Available);
}

#[test]
fn a_silent_relay_is_probed_less_and_less_often_and_looked_at_when_it_counts_as_lost() {
    let now = Instant::now();
    let mut state = listed(now);
    let mut delays = Vec::new();
    for _ in 0..9 {
        state.fell_silent(now);
        delays.push(state.until_next_contact(now + seconds(70)).as_secs());
    }
    assert_eq!(delays, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
    assert_eq!(state.until_next_contact(now + seconds(50)), seconds(10), "then it counts as lost");
}

#[test]
fn a_relay_is_listed_at_first_contact_and_then_every_five_minutes() {
    let now = Instant::now();
    let mut state = RelayState::new(1);
    state.answered(&[answer(1, "a", 3)], now);
    assert!(state.needs_listing(now));
    let state = listed(now);
    assert!(!state.needs_listing(now + seconds(299)));
    assert!(state.needs_listing(now + seconds(300)));
    assert_eq!(state.until_next_contact(now + seconds(100)), seconds(200));
}

#[test]
fn a_relay_is_listed_again_when_it_is_back_or_has_another_pod_or_another_store() {
    let now = Instant::now();
    let mut state = listed(now);
    state.answered(&[answer(1, "a", 9)], now);
    assert!(!state.needs_listing(now), "it only moved on");
    for answers in [[answer(2, "a", 9)], [answer(1, "b", 9)], [answer(1, "a", 2)]] {
        let mut state = listed(now);
        state.answered(&answers, now);
        assert!(state.needs_listing(now), "{answers:?}");
    }
    state.fell_silent(now);
    state.answered(&[answer(1, "a", 9)], now);
    assert!(state.needs_listing(now), "it may have been restored meanwhile");
}

#[test]
fn a_lost_answer_asks_for_a_listing_soon() {
    let now = Instant::now();
    let mut state = listed(now);
    let entries = &mut state.replicas.get_mut("a").unwrap().entries;
    let ticket = entries.begin_write("/admin/v1/tenants/acme");
    entries.lose("/admin/v1/tenants/acme", ticket);
    assert!(!state.needs_listing(now + seconds(4)));
    assert!(state.needs_listing(now + seconds(5)));
}

#[test]
fn objects_are_woken_once_when_a_relay_is_found_lost_and_back() {
    let now = Instant::now();
    let mut state = RelayState::new(1);
    assert!(!state.take_change(now), "nothing is known yet");
    state.answered(&[answer(1, "a", 3)], now);
    assert!(state.take_change(now), "found");
    assert!(!state.take_change(now));
    state.fell_silent(now);
    assert!(!state.take_change(now + seconds(30)), "it may only restart");
    assert!(state.take_change(now + seconds(60)), "lost");
    state.answered(&[answer(1, "a", 3)], now + seconds(90));
    assert!(state.take_change(now + seconds(90)), "back");
    assert!(!state.take_change(now + seconds(90)));
}

#[test]
fn objects_are_woken_when_a_relay_is_back_after_a_write_was_not_sent() {
    let now = Instant::now();
    let mut state = listed(now);
    state.take_change(now);
    state.fell_silent(now);
    assert!(!state.take_change(now + seconds(1)));
    state.answered(&[answer(2, "a", 3)], now + seconds(2));
    assert!(state.take_change(now + seconds(2)));
}

#[test]
fn an_entry_that_nobody_takes_over_is_overdue_after_half_a_minute() {
    let now = Instant::now();
    let mut state = listed(now);
    let entry = ("/admin/v1/tenants/acme/agents/alice".to_owned(), "gone".to_owned());
    let found = BTreeSet::from([entry.clone()]);
    assert!(state.overdue_successions(&found, now).is_empty());
    assert_eq!(state.until_next_contact(now), seconds(30), "then it is looked at again");
    state.set_listed(Some(now + seconds(30)));
    assert_eq!(state.overdue_successions(&found, now + seconds(30)), [entry]);
    assert!(state.overdue_successions(&BTreeSet::new(), now + seconds(30)).is_empty());
    state.set_listed(Some(now + seconds(31)));
    assert!(state.overdue_successions(&found, now + seconds(31)).is_empty(), "it begins anew");
}
