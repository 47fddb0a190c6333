//! When the relay is told, and what a restart finds again.

use std::sync::Arc;
use std::time::Duration;

use protocol::envelope::Content;
use protocol::task::{State, Status, Submit, TaskMessage};
use serde_json::json;

use super::*;
use crate::inbox::Limits;
use crate::sample::{Acks, did, message, message_id};
use crate::view::PART_BYTES_MAX;

async fn in_memory() -> Mailbox {
    Mailbox::new(Store::in_memory().await.unwrap())
}

#[tokio::test]
async fn without_a_folder_a_message_is_acknowledged_when_read_to_its_end() {
    let (mailbox, acks) = (in_memory().await, Acks::default());
    let text = "x".repeat(PART_BYTES_MAX + 1);
    mailbox.take(message(1, "bob", &text), acks.token(1)).await;
    let first = mailbox.read(message_id(1), None, 0).await.unwrap();
    assert!(first.truncated);
    assert!(acks.made().is_empty());
    mailbox.read(message_id(1), None, first.next_offset.unwrap()).await.unwrap();
    assert_eq!(acks.made(), [1]);
    mailbox.read(message_id(1), None, 0).await.unwrap();
    assert_eq!(acks.made(), [1]);
}

#[tokio::test]
async fn a_message_delivered_again_after_it_was_read_is_acknowledged_again() {
    let (mailbox, acks) = (in_memory().await, Acks::default());
    mailbox.take(message(1, "bob", "hi"), acks.token(1)).await;
    mailbox.read(message_id(1), None, 0).await.unwrap();
    mailbox.take(message(1, "bob", "hi"), acks.token(2)).await;
    assert_eq!(acks.made(), [1, 2]);
}

#[tokio::test]
async fn a_message_that_is_deleted_unread_is_acknowledged() {
    let (mailbox, acks) = (in_memory().await, Acks::default());
    mailbox.take(message(1, "bob", "hi"), acks.token(1)).await;
    assert!(mailbox.delete(message_id(1), None).await.unwrap());
    assert!(!mailbox.delete(message_id(1), None).await.unwrap());
    assert_eq!(acks.made(), [1]);
}

#[tokio::test]
async fn with_a_folder_a_message_is_acknowledged_at_once_and_survives_a_restart() {
    let (folder, acks) = (tempfile::tempdir().unwrap(), Acks::default());
    let mailbox = Mailbox::new(Store::open(folder.path()).await.unwrap());
    mailbox.take(message(1, "bob", "first"), acks.token(1)).await;
    mailbox.take(message(2, "bob", "second"), acks.token(2)).await;
    assert_eq!(acks.made(), [1, 2]);
    mailbox.read(message_id(1), None, 0).await.unwrap();
    mailbox.close().await;

    let mailbox = Mailbox::new(Store::open(folder.path()).await.unwrap());
    let found = mailbox.inbox.find(message_id(2), None).await.unwrap();
    assert_eq!((found.unread, found.message), (true, message(2, "bob", "second")));
    assert!(!mailbox.inbox.find(message_id(1), None).await.unwrap().unread);
    // The relay did not hear of the first one, and delivers it again.
    mailbox.take(message(1, "bob", "first"), acks.token(3)).await;
    assert_eq!(acks.made(), [1, 2, 3]);
    assert_eq!(mailbox.totals().await.unread, 1);
}

#[tokio::test]
async fn a_full_inbox_waits_until_one_message_is_read() {
    let (mailbox, acks) = (Arc::new(in_memory().await), Acks::default());
    for id in 1..=Limits::IN_MEMORY.unread {
        mailbox.has_room().await;
        mailbox.take(message(id, "bob", "hi"), acks.token(id)).await;
    }
    let waiting = tokio::spawn({
        let mailbox = Arc::clone(&mailbox);
        async move { mailbox.has_room().await }
    });
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(!waiting.is_finished());
    mailbox.read(message_id(9), None, 0).await.unwrap();
    tokio::time::timeout(Duration::from_secs(5), waiting).await.unwrap().unwrap();
}

#[tokio::test]
async fn task_messages_go_to_the_tasks_and_what_does_not_fit_to_the_inbox() {
    let (mailbox, acks) = (in_memory().await, Acks::default());
    let mut submit = message(1, "bob", "");
    submit.content = TaskMessage::Submit(Submit { title: None, input: json!("sum") }).to_content();
    mailbox.take(submit, acks.token(1)).await;
    assert_eq!(acks.made(), [1]);
    let task = mailbox.tasks.find(message_id(1), None).await.unwrap();
    assert_eq!((task.role, task.peer), (tasks::Role::Worker, did("bob")));

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
    mailbox.take(unknown, acks.token(2)).await;
    let mut malformed = message(3, "bob", "");
    malformed.content = Content::json(json!({"no": "task"})).with_method("task.submit");
    mailbox.take(malformed, acks.token(3)).await;
    assert_eq!(mailbox.totals().await.unread, 2);
}
