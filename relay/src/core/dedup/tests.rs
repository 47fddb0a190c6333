//! Tests of the deduplication table: its bound, the shares of senders, and what is forgotten.

use super::*;

const NOW: u64 = 1_790_000_000_000;

fn key(sender: u32, number: u64) -> MessageKey {
    let mut random = [0; 10];
    random[..8].copy_from_slice(&number.to_be_bytes());
    MessageKey { sender: AgentSlot { index: sender, generation: 0 }, id: MessageId::new(7, random) }
}

fn waiting() -> AnswerState {
    AnswerState::Waiting { conn: ConnId(1), request: RequestId::Number(1) }
}

fn add(table: &mut DedupTable, key: MessageKey, state: AnswerState) -> bool {
    let room = table.make_room(key.sender, NOW);
    if room {
        table.insert(key, 0, state, NOW);
    }
    room
}

const STORED: AnswerState = AnswerState::Answered(SendStatus::Stored);

#[test]
fn a_busy_sender_takes_no_ids_of_the_others() {
    let mut table = DedupTable::new(100);
    for number in 0..20 {
        assert!(add(&mut table, key(1, number), STORED) && add(&mut table, key(2, number), STORED));
    }
    for number in 0..10_000 {
        assert!(add(&mut table, key(3, number), STORED));
        assert!(table.len() <= 100);
    }
    for number in 0..20 {
        assert!(table.entry(key(1, number)).is_some() && table.entry(key(2, number)).is_some());
    }
    assert!(table.entry(key(3, 9_999)).is_some() && table.entry(key(3, 9_900)).is_none());
}

#[test]
fn a_sender_that_comes_late_gets_its_share() {
    let mut table = DedupTable::new(100);
    (0..1_000).for_each(|number| assert!(add(&mut table, key(1, number), STORED)));
    (0..50).for_each(|number| assert!(add(&mut table, key(2, number), STORED)));
    (0..50).for_each(|number| assert!(table.entry(key(2, number)).is_some()));
    assert_eq!(table.len(), 100);
}

#[test]
fn an_id_whose_answer_is_open_is_never_forgotten() {
    let mut table = DedupTable::new(3);
    (0..3).for_each(|number| assert!(add(&mut table, key(1, number), waiting())));
    assert!(!add(&mut table, key(1, 3), waiting()));
    assert_eq!(table.waiting(key(1, 0).sender), 3);
    table.set(key(1, 1), STORED);
    assert!(add(&mut table, key(1, 3), waiting()));
    assert!(table.entry(key(1, 1)).is_none() && table.entry(key(1, 0)).is_some());
}

#[test]
fn ids_of_a_removed_sender_leave_with_it() {
    let mut table = DedupTable::new(100);
    (0..10).for_each(|number| assert!(add(&mut table, key(1, number), waiting())));
    table.remove_sender(key(1, 0).sender);
    assert_eq!((table.len(), table.turns()), (0, (0, 0)));
}

#[test]
fn the_ids_of_an_idle_sender_are_forgotten_after_the_dedup_window() {
    let mut table = DedupTable::new(100);
    (0..10).for_each(|number| assert!(add(&mut table, key(1, number), STORED)));
    table.sweep(NOW + DEDUP_TTL.as_secs() * 1000 - 1);
    assert_eq!(table.len(), 10);
    table.sweep(NOW + DEDUP_TTL.as_secs() * 1000);
    assert_eq!((table.len(), table.turns()), (0, (0, 0)));
}

#[test]
fn the_queue_of_a_sender_whose_sends_all_fail_stays_short() {
    let mut table = DedupTable::new(100);
    for number in 0..1_000 {
        assert!(add(&mut table, key(1, number), waiting()));
        table.remove(key(1, number));
    }
    assert!(table.senders[&key(1, 0).sender].order.len() <= 17);
}
