//! When messages are acknowledged to the relay, and what a restart finds again.

use std::sync::Arc;
use std::time::Duration;

use protocol::envelope::Content;
use protocol::task::{State, Status, Submit, TaskMessage};
use serde_json::json;

use super::*;
use crate::fixtures::{Acks, did, message, message_id};
use crate::inbox::IN_MEMORY_LIMITS;
use crate::tasks::TaskRole;

async fn in_memory() -> MessageStore {
    MessageStore::new(Database::in_memory().await.unwrap())
}

async fn mark_read(store: &MessageStore, id: u64) {
    let message = store.inbox.find(message_id(id), None).await.unwrap();
    store.mark_read(&message).await.unwrap();
}

#[tokio::test]
async fn a_message_delivered_again_after_it_was_read_is_acknowledged_again() {
    let (store, acks) = (in_memory().await, Acks::default());
    store.receive(message(1, "bob", "hi"), acks.token(1)).await;
    mark_read(&store, 1).await;
    store.receive(message(1, "bob", "hi"), acks.token(2)).await;
    assert_eq!(acks.made(), [1, 2]);
}

#[tokio::test]
async fn a_message_that_is_deleted_unread_is_acknowledged() {
    let (store, acks) = (in_memory().await, Acks::default());
    store.receive(message(1, "bob", "hi"), acks.token(1)).await;
    assert!(store.delete(message_id(1), None).await.unwrap());
    assert!(!store.delete(message_id(1), None).await.unwrap());
    assert_eq!(acks.made(), [1]);
}

#[tokio::test]
async fn with_a_folder_a_message_is_acknowledged_at_once_and_survives_a_restart() {
    let (folder, acks) = (tempfile::tempdir().unwrap(), Acks::default());
    let store = MessageStore::new(Database::open(folder.path()).await.unwrap());
    store.receive(message(1, "bob", "first"), acks.token(1)).await;
    store.receive(message(2, "bob", "second"), acks.token(2)).await;
    assert_eq!(acks.made(), [1, 2]);
    mark_read(&store, 1).await;
    store.close().await;

    let store = MessageStore::new(Database::open(folder.path()).await.unwrap());
    let found = store.inbox.find(message_id(2), None).await.unwrap();
    assert_eq!((found.unread, found.message), (true, message(2, "bob", "second")));
    assert!(!store.inbox.find(message_id(1), None).await.unwrap().unread);
    // The relay did not get the acknowledgement of the first one, and delivers it again.
    store.receive(message(1, "bob", "first"), acks.token(3)).await;
    assert_eq!(acks.made(), [1, 2, 3]);
    assert_eq!(store.totals().await.unread, 1);
}

#[tokio::test]
async fn a_full_inbox_waits_until_one_message_is_read() {
    let (store, acks) = (Arc::new(in_memory().await), Acks::default());
    for id in 1..=IN_MEMORY_LIMITS.unread {
        store.wait_for_capacity().await;
        store.receive(message(id, "bob", "hi"), acks.token(id)).await;
    }
    let waiting = tokio::spawn({
        let store = Arc::clone(&store);
        async move { store.wait_for_capacity().await }
    });
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(!waiting.is_finished());
    mark_read(&store, 9).await;
    tokio::time::timeout(Duration::from_secs(5), waiting).await.unwrap().unwrap();
}

#[tokio::test]
async fn task_messages_go_to_the_tasks_and_what_does_not_fit_to_the_inbox() {
    let (store, acks) = (in_memory().await, Acks::default());
    let mut submit = message(1, "bob", "");
    submit.content = TaskMessage::Submit(Submit { title: None, input: json!("sum") }).to_content();
    store.receive(submit, acks.token(1)).await;
    assert_eq!(acks.made(), [1]);
    let task = store.tasks.find(message_id(1), None).await.unwrap();
    assert_eq!((task.role, task.peer), (TaskRole::Worker, did("bob")));

    let status = Status {
        task: message_id(99),
        revision: 1,
        state: State::Completed,
        note: None,
        progress: None,
        output: None,
    };
    let mut unknown = message(2, "bob", "");
    unknown.content = TaskMessage::Status(status).to_content();
    store.receive(unknown, acks.token(2)).await;
    let mut malformed = message(3, "bob", "");
    malformed.content = Content::json(json!({"no": "task"})).with_method("task.submit");
    store.receive(malformed, acks.token(3)).await;
    assert_eq!(store.totals().await.unread, 2);
}

#[tokio::test]
async fn a_task_whose_message_nobody_will_process_has_failed() {
    let store = in_memory().await;
    let submit = Submit { title: None, input: json!("sum") };
    store
        .tasks
        .create_given(&did("bob"), message_id(1), &submit, &Content::text("x"), 1)
        .await
        .unwrap()
        .unwrap();
    store.fail_task(&did("bob"), message_id(1), "it expired").await.unwrap();
    store.fail_task(&did("bob"), message_id(2), "no task").await.unwrap();
    let task = store.tasks.find(message_id(1), None).await.unwrap();
    assert_eq!((task.role, task.state), (TaskRole::Giver, State::Failed));
}
