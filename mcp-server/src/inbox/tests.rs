//! The inbox: what is kept, what is dropped, what is acknowledged.

use super::*;
use crate::sample::{did, message, message_id};

fn inbox_of(ids: impl IntoIterator<Item = u64>) -> Inbox<u64> {
    let mut inbox = Inbox::default();
    for id in ids {
        assert_eq!(inbox.put(message(id, "bob", "hello"), id), Put::Kept);
    }
    inbox
}

fn ids(page: &Page<'_>) -> Vec<MessageId> {
    page.items.iter().map(|item| item.message.head.id).collect()
}

#[test]
fn pages_go_from_new_to_old_without_gap_or_repeat() {
    let inbox = inbox_of(1..=5);
    let first = inbox.list(&Filter::default(), None, 2);
    assert_eq!(ids(&first), [message_id(5), message_id(4)]);
    let second = inbox.list(&Filter::default(), first.next, 2);
    assert_eq!(ids(&second), [message_id(3), message_id(2)]);
    let third = inbox.list(&Filter::default(), second.next, 2);
    assert_eq!((ids(&third), third.next), (vec![message_id(1)], None));
}

#[test]
fn a_page_that_ends_with_the_last_message_names_no_next_one() {
    assert_eq!(inbox_of(1..=2).list(&Filter::default(), None, 2).next, None);
}

#[test]
fn filters_combine() {
    let mut inbox = inbox_of(1..=1);
    let mut threaded = message(2, "carol", "hi");
    threaded.head.thread = Some("plans".into());
    inbox.put(threaded, 2);
    inbox.put(message(3, "carol", "again"), 3);
    inbox.mark_read(message_id(3), None).unwrap();
    let of = |filter: Filter| ids(&inbox.list(&filter, None, 10));
    let carol = Some(did("carol"));
    assert_eq!(of(Filter { from: carol.clone(), ..Filter::default() }), [message_id(3), message_id(2)]);
    assert_eq!(of(Filter { from: carol, unread: true, thread: None }), [message_id(2)]);
    assert_eq!(of(Filter { thread: Some("plans".into()), ..Filter::default() }), [message_id(2)]);
    assert!(of(Filter { thread: Some("other".into()), ..Filter::default() }).is_empty());
}

#[test]
fn a_message_is_acknowledged_once() {
    let mut inbox = inbox_of([7]);
    assert_eq!(inbox.mark_read(message_id(7), None), Ok(Some(7)));
    assert_eq!(inbox.mark_read(message_id(7), None), Ok(None));
    assert_eq!(inbox.mark_read(message_id(8), None), Err(FindError::Absent));
}

#[test]
fn a_second_delivery_replaces_the_token_and_lists_nothing_twice() {
    let mut inbox = inbox_of([1]);
    assert_eq!(inbox.put(message(1, "bob", "hello"), 20), Put::Kept);
    assert_eq!(inbox.list(&Filter::default(), None, 10).items.len(), 1);
    assert_eq!(inbox.mark_read(message_id(1), None), Ok(Some(20)));
    assert_eq!(inbox.put(message(1, "bob", "hello"), 30), Put::ReadBefore(30));
}

#[test]
fn an_id_that_two_senders_used_is_told_apart_by_the_sender() {
    let mut inbox = inbox_of([1]);
    inbox.put(message(1, "mallory", "me too"), 2);
    assert_eq!(inbox.find(message_id(1), None).unwrap_err(), FindError::Ambiguous);
    let item = inbox.find(message_id(1), Some(&did("mallory"))).unwrap();
    assert_eq!(item.message.content, Content::text("me too"));
    assert_eq!(inbox.mark_read(message_id(1), Some(&did("bob"))), Ok(Some(1)));
}

#[test]
fn there_is_room_for_a_window_of_unread_messages() {
    let mut inbox = inbox_of(1..UNREAD_MAX);
    assert!(inbox.has_room());
    inbox.put(message(UNREAD_MAX, "bob", "last"), 0);
    assert!(!inbox.has_room());
    inbox.mark_read(message_id(1), None).unwrap();
    assert!(inbox.has_room());
}

#[test]
fn the_oldest_read_messages_are_forgotten_and_unread_ones_never() {
    let mut inbox = inbox_of([1]);
    for id in 2..400 {
        inbox.put(message(id, "bob", "hello"), id);
        inbox.mark_read(message_id(id), None).unwrap();
    }
    let totals = inbox.totals();
    assert_eq!((totals.unread, totals.read), (1, READ_MAX as u64));
    assert_eq!(totals.bytes, (READ_MAX + 1) * "\"hello\"".len());
    assert!(inbox.find(message_id(1), None).is_ok());
    assert_eq!(inbox.find(message_id(2), None).unwrap_err(), FindError::Absent);
    assert!(inbox.find(message_id(399), None).is_ok());
}
