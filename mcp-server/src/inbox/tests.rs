//! Tests of the inbox: which messages it stores, deletes and finds.

use protocol::envelope::Content;

use super::*;
use crate::fixtures::{did, message, message_id};

async fn inbox_of(ids: impl IntoIterator<Item = u64>) -> Inbox {
    let inbox = Inbox::new(Database::in_memory().await.unwrap());
    for id in ids {
        assert!(matches!(
            inbox.insert(&message(id, "bob", "hello")).await.unwrap(),
            InsertOutcome::Inserted(_)
        ));
    }
    inbox
}

async fn read(inbox: &Inbox, id: u64) {
    let arrival = inbox.find(message_id(id), None).await.unwrap().arrival;
    inbox.mark_read(arrival).await.unwrap();
}

fn ids(page: &MessagePage) -> Vec<MessageId> {
    page.items.iter().map(|item| item.head.id).collect()
}

async fn page(inbox: &Inbox, order: ListOrder, cursor: Option<i64>) -> MessagePage {
    inbox.list(&MessageFilter::default(), order, cursor, 2).await.unwrap()
}

#[tokio::test]
async fn pages_go_from_new_to_old_without_gap_or_repeat() {
    let inbox = inbox_of(1..=5).await;
    let first = page(&inbox, ListOrder::NewestFirst, None).await;
    assert_eq!(ids(&first), [message_id(5), message_id(4)]);
    // A message that arrives in between does not move the pages.
    inbox.insert(&message(6, "bob", "late")).await.unwrap();
    let second = page(&inbox, ListOrder::NewestFirst, first.next).await;
    assert_eq!(ids(&second), [message_id(3), message_id(2)]);
    let third = page(&inbox, ListOrder::NewestFirst, second.next).await;
    assert_eq!((ids(&third), third.next), (vec![message_id(1)], None));
}

#[tokio::test]
async fn pages_go_from_old_to_new_when_asked() {
    let inbox = inbox_of(1..=3).await;
    let first = page(&inbox, ListOrder::OldestFirst, None).await;
    assert_eq!(ids(&first), [message_id(1), message_id(2)]);
    let second = page(&inbox, ListOrder::OldestFirst, first.next).await;
    assert_eq!((ids(&second), second.next), (vec![message_id(3)], None));
}

#[tokio::test]
async fn a_page_that_ends_with_the_last_message_names_no_next_one() {
    assert_eq!(page(&inbox_of(1..=2).await, ListOrder::NewestFirst, None).await.next, None);
}

#[tokio::test]
async fn filters_combine() {
    let inbox = inbox_of(1..=1).await;
    let mut threaded = message(2, "carol", "hi");
    threaded.head.thread = Some("plans".into());
    inbox.insert(&threaded).await.unwrap();
    inbox.insert(&message(3, "carol", "again")).await.unwrap();
    read(&inbox, 3).await;
    let of = async |filter: MessageFilter| {
        ids(&inbox.list(&filter, ListOrder::NewestFirst, None, 10).await.unwrap())
    };
    let carol = MessageFilter { from: Some(did("carol")), ..MessageFilter::default() };
    assert_eq!(of(carol.clone()).await, [message_id(3), message_id(2)]);
    assert_eq!(inbox.count(&carol).await.unwrap(), (2, 1));
    assert_eq!(of(MessageFilter { unread: true, ..carol }).await, [message_id(2)]);
    assert_eq!(
        of(MessageFilter { thread: Some("plans".into()), ..MessageFilter::default() }).await,
        [message_id(2)]
    );
    assert!(of(MessageFilter { thread: Some("other".into()), ..MessageFilter::default() }).await.is_empty());
}

#[tokio::test]
async fn what_was_put_in_is_found_as_it_was() {
    let inbox = inbox_of([]).await;
    let mut received = message(1, "bob", "");
    received.head.thread = Some("t".into());
    received.head.re = Some(message_id(9));
    received.content = Content::json(serde_json::json!({"a": ["ä", null]})).with_method("plan.create");
    inbox.insert(&received).await.unwrap();
    let found = inbox.find(message_id(1), None).await.unwrap();
    assert_eq!((found.message, found.unread), (received, true));
}

#[tokio::test]
async fn the_same_message_again_is_not_listed_twice() {
    let inbox = inbox_of([1]).await;
    let at = inbox.find(message_id(1), None).await.unwrap().arrival;
    assert_eq!(inbox.insert(&message(1, "bob", "hello")).await.unwrap(), InsertOutcome::AlreadyUnread(at));
    read(&inbox, 1).await;
    assert_eq!(inbox.insert(&message(1, "bob", "hello")).await.unwrap(), InsertOutcome::AlreadyRead);
    assert_eq!(page(&inbox, ListOrder::NewestFirst, None).await.items.len(), 1);
}

#[tokio::test]
async fn an_id_belongs_to_its_sender() {
    let inbox = inbox_of([1]).await;
    inbox.insert(&message(1, "mallory", "mine")).await.unwrap();
    assert!(matches!(inbox.find(message_id(1), None).await, Err(FindMessageError::Ambiguous)));
    let found = inbox.find(message_id(1), Some(&did("mallory"))).await.unwrap();
    assert_eq!(found.message.content, Content::text("mine"));
    assert!(matches!(inbox.find(message_id(2), None).await, Err(FindMessageError::Absent)));
}

#[tokio::test]
async fn the_oldest_read_messages_are_forgotten_and_unread_ones_never() {
    let database = Database::in_memory().await.unwrap();
    let inbox = Inbox { database, limits: InboxLimits { read: 2, ..IN_MEMORY_LIMITS } };
    for id in 1..=5 {
        inbox.insert(&message(id, "bob", "hello")).await.unwrap();
    }
    for id in [1, 2, 4, 5] {
        read(&inbox, id).await;
    }
    let left = inbox.list(&MessageFilter::default(), ListOrder::NewestFirst, None, 10).await.unwrap();
    assert_eq!(ids(&left), [message_id(5), message_id(4), message_id(3)]);
    let InboxTotals { unread, read, .. } = inbox.totals().await.unwrap();
    assert_eq!((unread, read), (1, 2));
}

#[tokio::test]
async fn room_ends_with_the_bytes_of_unread_messages() {
    let database = Database::in_memory().await.unwrap();
    let inbox = Inbox { database, limits: InboxLimits { unread_bytes: 100, ..IN_MEMORY_LIMITS } };
    inbox.insert(&message(1, "bob", &"x".repeat(99))).await.unwrap();
    assert!(inbox.has_capacity().await.unwrap());
    inbox.insert(&message(2, "bob", "x")).await.unwrap();
    assert!(!inbox.has_capacity().await.unwrap());
    let at = inbox.find(message_id(1), None).await.unwrap().arrival;
    inbox.delete(at).await.unwrap();
    assert!(inbox.has_capacity().await.unwrap());
    assert_eq!(
        inbox.totals().await.unwrap(),
        InboxTotals { unread: 1, unread_bytes: 1, read: 0, read_bytes: 0 }
    );
}

#[tokio::test]
async fn a_preview_is_cut_at_a_whole_character() {
    let inbox = inbox_of([]).await;
    inbox.insert(&message(1, "bob", &"€".repeat(200))).await.unwrap();
    let listed = page(&inbox, ListOrder::NewestFirst, None).await;
    assert_eq!((listed.items[0].preview.as_str(), listed.items[0].bytes), ("€".repeat(53).as_str(), 600));
}
