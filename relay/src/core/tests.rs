//! Unit tests of the core, one rule each. The simulator tests how the rules interact.

use bytes::Bytes;
use protocol::Reason;
use protocol::close::CloseCode;
use protocol::frame::{Outcome, SendStatus};

use super::*;

mod clock_steps;
mod effect_filters;
mod ended_messages;
mod leaving_messages;
mod message_path;
mod metered_sends;
mod notice_limit;
mod quotas;
mod removed_agents;
mod repeated_unstored;
mod sender_shares;
mod store_failures;
mod tenants;
mod test_core;
mod write_shares;

use effect_filters::*;
use test_core::*;

#[test]
fn an_acknowledged_message_never_touches_the_disk() {
    let mut relay = TestCore::new();
    relay.open(1, ALICE);
    let epoch = epoch(&relay.open(2, BOB));
    let sent = relay.reliable(1, ALICE, BOB);
    assert_eq!((deliveries(&sent), status(&sent)), (vec![(2, 1)], None));
    let acked = relay.step(Event::Acked { conn: ConnId(2), epoch, seq: 1 });
    assert_eq!(status(&acked), Some(SendStatus::Delivered));
    assert!(rows(&relay.pass(1_000)).is_empty());
    assert_eq!(relay.core.stats().held_bytes, 0);
}

#[test]
fn stored_is_said_after_the_commit_and_not_before() {
    let mut relay = TestCore::new();
    relay.open(1, ALICE);
    let sent = relay.reliable(1, ALICE, BOB);
    assert_eq!((rows(&sent), status(&sent)), (vec![1], None));
    assert_eq!(status(&relay.pass(60_000 - 1)), None);
    assert_eq!(status(&relay.step(Event::Stored { upto: 1 })), Some(SendStatus::Stored));
}

#[test]
fn a_live_recipient_has_its_grace_and_not_more() {
    let mut relay = TestCore::new();
    relay.open(1, ALICE);
    relay.open(2, BOB);
    relay.reliable(1, ALICE, BOB);
    assert!(rows(&relay.pass(49)).is_empty());
    assert_eq!(rows(&relay.pass(1)), [1]);
}

#[test]
fn a_store_that_fails_is_never_called_stored() {
    let mut relay = TestCore::new();
    relay.open(1, ALICE);
    relay.reliable(1, ALICE, BOB);
    let failed = relay.step(Event::StoreFailed { upto: 1 });
    assert_eq!((refusal(&failed), status(&failed)), (Some(Reason::StorageUnavailable), None));
    assert!(relay.core.storage_failed());
    assert_eq!(refusal(&relay.reliable(1, ALICE, BOB)), Some(Reason::StorageUnavailable));
    relay.step(Event::StoreRecovered);
    assert_eq!(rows(&relay.reliable(1, ALICE, BOB)), [2]);
}

#[test]
fn a_stale_disconnect_keeps_the_newer_session() {
    let mut relay = TestCore::new();
    relay.open(1, ALICE);
    relay.open(2, BOB);
    let newer = relay.open(3, BOB);
    assert!(newer.contains(&Effect::Close { conn: ConnId(2), code: CloseCode::Replaced }));
    relay.step(Event::Closed { conn: ConnId(2) });
    assert!(relay.core.is_online(agent(BOB).as_str()));
    assert_eq!(deliveries(&relay.reliable(1, ALICE, BOB)), [(3, 1)]);
}

#[test]
fn an_older_epoch_acknowledges_nothing() {
    let mut relay = TestCore::new();
    relay.open(1, ALICE);
    let old = epoch(&relay.open(2, BOB));
    let new = epoch(&relay.open(3, BOB));
    relay.reliable(1, ALICE, BOB);
    for (conn, epoch) in [(2, old), (3, old), (2, new)] {
        let acked = relay.step(Event::Acked { conn: ConnId(conn), epoch, seq: 1 });
        assert_eq!(acked, [], "connection {conn}, epoch {epoch}");
    }
    let acked = relay.step(Event::Acked { conn: ConnId(3), epoch: new, seq: 1 });
    assert_eq!(status(&acked), Some(SendStatus::Delivered));
}

#[test]
fn a_full_window_spills_in_order_and_what_follows_waits_behind_it() {
    let limits = CoreLimits { sender_rate: Rate { per_second: 1.0, burst: 1e6 }, ..test_limits() };
    let mut relay = TestCore::with(limits);
    relay.open(1, ALICE);
    relay.open(2, BOB);
    for _ in 0..256 {
        assert_eq!(deliveries(&relay.reliable(1, ALICE, BOB)).len(), 1);
    }
    let next = relay.reliable(1, ALICE, BOB);
    assert_eq!(deliveries(&next), []);
    assert_eq!(rows(&next), (1..=257).collect::<Vec<_>>());
    assert!(next.contains(&Effect::Count(Counter::Backlog)));
}

#[test]
fn a_session_that_ends_leaves_its_messages_to_the_next() {
    let mut relay = TestCore::new();
    relay.open(1, ALICE);
    relay.open(2, BOB);
    relay.reliable(1, ALICE, BOB);
    assert_eq!(rows(&relay.step(Event::Closed { conn: ConnId(2) })), [1]);
    relay.step(Event::Stored { upto: 1 });
    let opened = relay.open(3, BOB);
    let load = opened.iter().find_map(|effect| match effect {
        Effect::LoadPage { agent, epoch, rows } => Some((*agent, *epoch, rows.clone())),
        _ => None,
    });
    let (agent, epoch, rows) = load.unwrap();
    assert_eq!(rows, [1]);
    let page = vec![(1, Bytes::from_static(b"body"))];
    assert_eq!(deliveries(&relay.step(Event::Loaded { agent, epoch, page })), [(3, 1)]);
}

#[test]
fn the_notice_of_an_expired_message_ends_it_in_one_transaction() {
    let mut relay = TestCore::new();
    relay.open(1, ALICE);
    relay.reliable(1, ALICE, BOB);
    relay.step(Event::Stored { upto: 1 });
    let expired = relay.pass(61_000);
    assert_eq!(rows(&expired), [2], "the notice");
    let ends = |effect: &Effect| {
        let Effect::Write(Write::Insert(row)) = effect else { return false };
        matches!(row.content, WriteContent::Notice { ends: Some(1), outcome: Outcome::Expired, .. })
    };
    assert!(expired.iter().any(ends), "{expired:?}");
    let stored = relay.step(Event::Stored { upto: 2 });
    let notice = stored.iter().any(|effect| {
        matches!(effect, Effect::Notice { conn: ConnId(1), seq: 1, outcome: Outcome::Expired, .. })
    });
    assert!(notice, "{stored:?}");
}

#[test]
fn draining_writes_what_is_in_flight_and_takes_nothing_more() {
    let mut relay = TestCore::new();
    relay.open(1, ALICE);
    relay.open(2, BOB);
    relay.reliable(1, ALICE, BOB);
    assert_eq!(rows(&relay.step(Event::Drain)), [1]);
    assert_eq!(refusal(&relay.reliable(1, ALICE, BOB)), Some(Reason::Draining));
    assert_eq!(refusal(&relay.open(3, EVE)), Some(Reason::Draining));
    assert_eq!(status(&relay.step(Event::Stored { upto: 1 })), Some(SendStatus::Stored));
}

#[test]
fn memory_for_all_has_an_end() {
    let limits = CoreLimits { held_bytes_max: 10, ..test_limits() };
    let mut relay = TestCore::with(limits);
    relay.open(1, ALICE);
    let answers: Vec<_> = (0..6).map(|_| refusal(&relay.reliable(1, ALICE, BOB))).collect();
    assert_eq!(answers.first(), Some(&None));
    assert_eq!(answers.last(), Some(&Some(Reason::Overloaded)));
}

#[test]
fn the_oldest_answer_is_forgotten_when_the_dedup_table_is_full() {
    let limits = CoreLimits { dedup_entries_max: 10, ..test_limits() };
    let mut relay = TestCore::with(limits);
    relay.open(1, ALICE);
    let epoch = epoch(&relay.open(2, BOB));
    for seq in 1..=100 {
        relay.reliable(1, ALICE, BOB);
        relay.step(Event::Acked { conn: ConnId(2), epoch, seq });
    }
    assert!(relay.core.stats().remembered <= 10, "{:?}", relay.core.stats());
}
