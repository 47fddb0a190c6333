//! Tests of the deduplication table: its bound, the shares of senders, and what is forgotten.

use protocol::limits::DEDUP_TTL;

use super::*;

pub(super) const NOW: u64 = 1_790_000_000_000;

pub(super) fn key(sender: u32, number: u64) -> MessageKey {
    let mut random = [0; 10];
    random[..8].copy_from_slice(&number.to_be_bytes());
    MessageKey { sender: AgentSlot { index: sender, generation: 0 }, id: MessageId::new(7, random) }
}

pub(super) const STORED: SettledState = SettledState::Answered(SendStatus::Stored);

fn add_waiting(table: &mut DedupTable, key: MessageKey) -> bool {
    let room = table.make_room(key.sender, NOW);
    if room {
        table.insert_waiting(key, 0, (ConnId(1), RequestId::Number(1)), NOW);
    }
    assert_eq!(table.check(), Ok(()));
    room
}

fn add_stored(table: &mut DedupTable, key: MessageKey) {
    assert!(table.make_room(key.sender, NOW));
    table.insert_settled(key, 0, STORED, NOW);
    assert_eq!(table.check(), Ok(()));
}

#[test]
fn a_busy_sender_takes_no_ids_of_the_others() {
    let mut table = DedupTable::new(100);
    for number in 0..20 {
        add_stored(&mut table, key(1, number));
        add_stored(&mut table, key(2, number));
    }
    for number in 0..10_000 {
        add_stored(&mut table, key(3, number));
        assert!(table.len() <= 100);
    }
    for number in 0..20 {
        assert!(table.is_known(key(1, number)) && table.is_known(key(2, number)));
    }
    assert!(table.is_known(key(3, 9_999)) && !table.is_known(key(3, 9_900)));
    assert!(table.remembered(key(3, 0).sender) > 100 - 40 - 33 / 8 - 1);
}

#[test]
fn a_sender_that_comes_late_gets_its_share() {
    let mut table = DedupTable::new(100);
    (0..1_000).for_each(|number| add_stored(&mut table, key(1, number)));
    (0..50).for_each(|number| add_stored(&mut table, key(2, number)));
    (0..50).for_each(|number| assert!(table.is_known(key(2, number))));
    assert!(table.remembered(key(1, 0).sender) > 50 - 100 / 8);
}

#[test]
fn an_id_whose_answer_is_open_is_never_forgotten() {
    let mut table = DedupTable::new(3);
    (0..3).for_each(|number| assert!(add_waiting(&mut table, key(1, number))));
    assert!(!add_waiting(&mut table, key(1, 3)));
    assert_eq!(table.waiting(key(1, 0).sender), 3);
    assert_eq!(table.settle(key(1, 1), STORED), Some((ConnId(1), RequestId::Number(1))));
    assert!(add_waiting(&mut table, key(1, 3)));
    assert!(!table.is_known(key(1, 1)) && table.is_known(key(1, 0)));
}

#[test]
fn ids_of_a_removed_sender_leave_with_it_and_stay_away() {
    let mut table = DedupTable::new(100);
    (0..10).for_each(|number| assert!(add_waiting(&mut table, key(1, number))));
    (10..20).for_each(|number| add_stored(&mut table, key(1, number)));
    table.remove_sender(key(1, 0).sender);
    assert_eq!((table.len(), table.turns.len()), (0, 0));
    add_stored(&mut table, key(1, 20));
    (0..20).for_each(|number| assert!(!table.is_known(key(1, number)), "{number}"));
}

#[test]
fn the_ids_of_an_idle_sender_are_forgotten_after_the_dedup_window() {
    let mut table = DedupTable::new(100);
    (0..10).for_each(|number| add_stored(&mut table, key(1, number)));
    let end = NOW + DEDUP_TTL.as_secs() * 1000;
    table.sweep(end - 1);
    assert!(table.find(key(1, 0), end - 1).is_some());
    assert_eq!(table.len(), 10);
    assert!(table.find(key(1, 0), end).is_none());
    table.sweep(end);
    assert_eq!((table.len(), table.turns.len()), (0, 0));
}

#[test]
fn an_end_that_is_not_on_disk_is_not_forgotten() {
    let mut table = DedupTable::new(4);
    add_stored(&mut table, key(1, 0));
    table.stored_is_ending(key(1, 0));
    (1..100).for_each(|number| add_stored(&mut table, key(1, number)));
    assert_eq!(table.open(key(1, 0)).map(|entry| &entry.state), Some(&OpenState::Ending));
    table.end(key(1, 0), Outcome::Expired);
    let known = table.find(key(1, 0), NOW);
    assert!(
        matches!(known, Some(KnownId::Settled(entry)) if entry.state == SettledState::Ended(Outcome::Expired))
    );
    assert_eq!(table.check(), Ok(()));
}

#[test]
fn a_later_message_under_the_same_id_keeps_its_state() {
    let mut table = DedupTable::new(4);
    assert!(add_waiting(&mut table, key(1, 0)));
    table.stored_was_delivered(key(1, 0));
    table.stored_is_ending(key(1, 0));
    table.end(key(1, 0), Outcome::Expired);
    assert!(table.open(key(1, 0)).is_some_and(OpenEntry::is_undecided));
}
