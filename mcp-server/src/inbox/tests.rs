//! The inbox: what is kept, what is dropped, what is found.

use super::*;
use crate::sample::{did, message, message_id};

async fn inbox_of(ids: impl IntoIterator<Item = u64>) -> Inbox {
    let inbox = Inbox::new(Store::in_memory().await.unwrap());
    for id in ids {
        assert!(matches!(inbox.put(&message(id, "bob", "hello")).await.unwrap(), Put::New(_)));
    }
    inbox
}

async fn read(inbox: &Inbox, id: u64) {
    let arrival = inbox.find(message_id(id), None).await.unwrap().arrival;
    inbox.mark_read(arrival).await.unwrap();
}

fn ids(page: &Page) -> Vec<MessageId> {
    page.items.iter().map(|item| item.head.id).collect()
}

async fn page(inbox: &Inbox, order: Order, cursor: Option<i64>) -> Page {
    inbox.list(&Filter::default(), order, cursor, 2).await.unwrap()
}

#[tokio::test]
async fn pages_go_from_new_to_old_without_gap_or_repeat() {
    let inbox = inbox_of(1..=5).await;
    let first = page(&inbox, Order::NewestFirst, None).await;
    assert_eq!(ids(&first), [message_id(5), message_id(4)]);
    // What comes meanwhile does not move the pages.
    inbox.put(&message(6, "bob", "late")).await.unwrap();
    let second = page(&inbox, Order::NewestFirst, first.next).await;
    assert_eq!(ids(&second), [message_id(3), message_id(2)]);
    let third = page(&inbox, Order::NewestFirst, second.next).await;
    assert_eq!((ids(&third), third.next), (vec![message_id(1)], None));
}

#[tokio::test]
async fn pages_go_from_old_to_new_when_asked() {
    let inbox = inbox_of(1..=3).await;
    let first = page(&inbox, Order::OldestFirst, None).await;
    assert_eq!(ids(&first), [message_id(1), message_id(2)]);
    let second = page(&inbox, Order::OldestFirst, first.next).await;
    assert_eq!((ids(&second), second.next), (vec![message_id(3)], None));
}

#[tokio::test]
async fn a_page_that_ends_with_the_last_message_names_no_next_one() {
    assert_eq!(page(&inbox_of(1..=2).await, Order::NewestFirst, None).await.next, None);
}

#[tokio::test]
async fn filters_combine() {
    let inbox = inbox_of(1..=1).await;
    let mut threaded = message(2, "carol", "hi");
    threaded.head.thread = Some("plans".into());
    inbox.put(&threaded).await.unwrap();
    inbox.put(&message(3, "carol", "again")).await.unwrap();
    read(&inbox, 3).await;
    let of = async |filter: Filter| ids(&inbox.list(&filter, Order::NewestFirst, None, 10).await.unwrap());
    let carol = Filter { from: Some(did("carol")), ..Filter::default() };
    assert_eq!(of(carol.clone()).await, [message_id(3), message_id(2)]);
    assert_eq!(inbox.count(&carol).await.unwrap(), (2, 1));
    assert_eq!(of(Filter { unread: true, ..carol }).await, [message_id(2)]);
    assert_eq!(of(Filter { thread: Some("plans".into()), ..Filter::default() }).await, [message_id(2)]);
    assert!(of(Filter { thread: Some("other".into()), ..Filter::default() }).await.is_empty());
}

#[tokio::test]
async fn what_was_put_in_is_found_as_it_was() {
    let inbox = inbox_of([]).await;
    let mut received = message(1, "bob", "");
    received.head.thread = Some("t".into());
    received.head.re = Some(message_id(9));
    received.content = Content::json(serde_json::json!({"a": ["ä", null]})).with_method("plan.create");
    inbox.put(&received).await.unwrap();
    let found = inbox.find(message_id(1), None).await.unwrap();
    assert_eq!((found.message, found.unread), (received, true));
}

#[tokio::test]
async fn the_same_message_again_is_not_listed_twice() {
    let inbox = inbox_of([1]).await;
    let at = inbox.find(message_id(1), None).await.unwrap().arrival;
    assert_eq!(inbox.put(&message(1, "bob", "hello")).await.unwrap(), Put::Unread(at));
    read(&inbox, 1).await;
    assert_eq!(inbox.put(&message(1, "bob", "hello")).await.unwrap(), Put::Read);
    assert_eq!(page(&inbox, Order::NewestFirst, None).await.items.len(), 1);
}

#[tokio::test]
async fn an_id_belongs_to_its_sender() {
    let inbox = inbox_of([1]).await;
    inbox.put(&message(1, "mallory", "mine")).await.unwrap();
    assert!(matches!(inbox.find(message_id(1), None).await, Err(FindError::Ambiguous)));
    let found = inbox.find(message_id(1), Some(&did("mallory"))).await.unwrap();
    assert_eq!(found.message.content, Content::text("mine"));
    assert!(matches!(inbox.find(message_id(2), None).await, Err(FindError::Absent)));
}

#[tokio::test]
async fn the_oldest_read_messages_are_forgotten_and_unread_ones_never() {
    let store = Store::in_memory().await.unwrap();
    let inbox = Inbox { store, limits: Limits { read: 2, ..Limits::IN_MEMORY } };
    for id in 1..=5 {
        inbox.put(&message(id, "bob", "hello")).await.unwrap();
    }
    for id in [1, 2, 4, 5] {
        read(&inbox, id).await;
    }
    let left = inbox.list(&Filter::default(), Order::NewestFirst, None, 10).await.unwrap();
    assert_eq!(ids(&left), [message_id(5), message_id(4), message_id(3)]);
    let Totals { unread, read, .. } = inbox.totals().await.unwrap();
    assert_eq!((unread, read), (1, 2));
}

#[tokio::test]
async fn room_ends_with_the_bytes_of_unread_messages() {
    let store = Store::in_memory().await.unwrap();
    let inbox = Inbox { store, limits: Limits { unread_bytes: 100, ..Limits::IN_MEMORY } };
    inbox.put(&message(1, "bob", &"x".repeat(99))).await.unwrap();
    assert!(inbox.has_room().await.unwrap());
    inbox.put(&message(2, "bob", "x")).await.unwrap();
    assert!(!inbox.has_room().await.unwrap());
    let at = inbox.find(message_id(1), None).await.unwrap().arrival;
    inbox.delete(at).await.unwrap();
    assert!(inbox.has_room().await.unwrap());
    assert_eq!(inbox.totals().await.unwrap(), Totals { unread: 1, unread_bytes: 1, read: 0, read_bytes: 0 });
}

#[tokio::test]
async fn a_preview_is_cut_at_a_whole_character() {
    let inbox = inbox_of([]).await;
    inbox.put(&message(1, "bob", &"€".repeat(200))).await.unwrap();
    let listed = page(&inbox, Order::NewestFirst, None).await;
    assert_eq!((listed.items[0].preview.as_str(), listed.items[0].bytes), ("€".repeat(53).as_str(), 600));
}
