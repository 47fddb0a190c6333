//! Stored tasks: callers apart, restarts, pages, limits, webhooks.

use serde_json::json;

use super::*;
use crate::model::{Message, Part, TaskState};
use crate::task_machine::begin;

fn agent() -> Did {
    "did:wba:example.com:agent:acme:bob".parse().unwrap()
}

fn id(n: u8) -> MessageId {
    MessageId::new(1_790_000_000, [n; 10])
}

fn new_task(n: u8, caller: &str) -> NewTask {
    NewTask { id: id(n), caller: caller.into(), agent: agent(), context: "c".into(), webhook: None }
}

async fn begun(store: &TaskStore, n: u8, caller: &str, now: UnixMillis) -> TaskRecord {
    let decision = begin(Message::of_agent("m", vec![Part::text("do it")]));
    let content = Content::json(json!(n));
    store.begin_task(&new_task(n, caller), &decision, &content, now).await.unwrap().unwrap()
}

fn status(revision: u64, state: protocol::task::State) -> TaskEvent {
    TaskEvent::Status { revision, state, message: None, result: None }
}

async fn end(store: &TaskStore, task: &TaskRecord, now: UnixMillis) -> TaskRecord {
    store.apply(task.number, status(1, protocol::task::State::Completed), None, now).await.unwrap()
}

fn hook(id: &str) -> TaskPushNotificationConfig {
    TaskPushNotificationConfig {
        id: id.into(),
        task_id: "t".into(),
        url: "https://example.com/".into(),
        token: "secret".into(),
        authentication: None,
    }
}

#[tokio::test]
async fn a_task_and_its_message_survive_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let store = TaskStore::open(folder.path()).await.unwrap();
    let task = begun(&store, 1, "alice", 5).await;
    store.close().await;
    let store = TaskStore::open(folder.path()).await.unwrap();
    assert_eq!(store.find("alice", &agent(), &id(1).to_string()).await.unwrap(), Some(task.clone()));
    let unsent = store.unsent(9).await.unwrap().pop().unwrap();
    assert!(unsent.is_submit());
    assert_eq!(unsent.content, Content::json(json!(1)));
    store.mark_sent(&unsent).await.unwrap();
    assert!(store.unsent(9).await.unwrap().is_empty());
    assert_eq!(store.changes(task.number, 0, 9).await.unwrap().len(), 1);
}

#[tokio::test]
async fn nobody_sees_the_tasks_of_another_caller_or_agent() {
    let store = TaskStore::in_memory().await.unwrap();
    begun(&store, 1, "alice", 5).await;
    let carol = "did:wba:example.com:agent:acme:carol".parse().unwrap();
    assert_eq!(store.find("mallory", &agent(), &id(1).to_string()).await.unwrap(), None);
    assert_eq!(store.find("alice", &carol, &id(1).to_string()).await.unwrap(), None);
    assert_eq!(store.find_given(&carol, id(1)).await.unwrap(), None);
    let filter = ListFilter {
        caller: "mallory".into(),
        agent: agent(),
        context: None,
        state: None,
        changed_since: None,
    };
    assert_eq!(store.list(&filter, None, 9).await.unwrap().total, 0);
}

#[tokio::test]
async fn pages_go_from_the_newest_status_to_the_oldest_and_leave_none_out() {
    let store = TaskStore::in_memory().await.unwrap();
    let first = begun(&store, 1, "alice", 5).await;
    for n in 2..6 {
        begun(&store, n, "alice", 5).await;
    }
    end(&store, &first, 9).await;
    let all = ListFilter {
        caller: "alice".into(),
        agent: agent(),
        context: None,
        state: None,
        changed_since: None,
    };
    let (mut after, mut seen) = (None, Vec::new());
    loop {
        let page = store.list(&all, after, 2).await.unwrap();
        assert_eq!(page.total, 5);
        seen.extend(page.tasks.iter().map(|task| task.number));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(seen, [1, 5, 4, 3, 2]);
    let ended = ListFilter { state: Some(TaskState::Completed), ..all.clone() };
    assert_eq!(store.list(&ended, None, 9).await.unwrap().total, 1);
    let later = ListFilter { changed_since: Some(6), ..all };
    assert_eq!(store.list(&later, None, 9).await.unwrap().tasks.len(), 1);
}

#[tokio::test]
async fn a_refused_event_stores_nothing() {
    let store = TaskStore::in_memory().await.unwrap();
    let task = begun(&store, 1, "alice", 5).await;
    let ended = end(&store, &task, 6).await;
    let content = Content::json(json!(0));
    let late = store.apply(task.number, TaskEvent::CancelRequested, Some((id(9), &content)), 7).await;
    assert!(matches!(late, Err(ApplyError::Refused(Refusal::Ended(TaskState::Completed)))));
    assert_eq!(store.find_given(&agent(), id(1)).await.unwrap(), Some(ended));
    assert_eq!(store.unsent(9).await.unwrap().len(), 1, "only what submitted it");
}

#[tokio::test]
async fn a_caller_at_its_limit_loses_ended_tasks_first_and_takes_nothing_from_others() {
    let store = TaskStore::in_memory().await.unwrap();
    let other = begun(&store, 1, "carol", 1).await;
    end(&store, &other, 1).await;
    let fill = "with recursive n(i) as (select 1 union all select i + 1 from n where i < ?)
        insert into tasks (id, caller, agent, context, state, status_at, created_at, revision, changes, bytes,
        cancel_requested) select 'x' || i, 'alice', 'a', 'c', 'TASK_STATE_SUBMITTED', 1, 1, 0, 0, 0, 0 from n";
    sqlx::query(fill).bind(CALLER_TASKS_MAX - 1).execute(&store.pool).await.unwrap();
    let last = begun(&store, 2, "alice", 2).await;
    let decision = begin(Message::of_agent("m", vec![Part::text("do it")]));
    let content = Content::json(json!(3));
    let full = store.begin_task(&new_task(3, "alice"), &decision, &content, 3).await.unwrap();
    assert_eq!(full, None, "all are open");
    end(&store, &last, 4).await;
    assert!(store.begin_task(&new_task(3, "alice"), &decision, &content, 5).await.unwrap().is_some());
    assert_eq!(store.find_given(&agent(), id(2)).await.unwrap(), None, "it made room");
    assert!(store.find_given(&agent(), id(1)).await.unwrap().is_some());
}

#[tokio::test]
async fn what_waits_for_a_webhook_survives_until_it_is_taken_or_given_up() {
    let folder = tempfile::tempdir().unwrap();
    let store = TaskStore::open(folder.path()).await.unwrap();
    let task = begun(&store, 1, "alice", 5).await;
    assert!(store.put_webhook(task.number, &hook("a")).await.unwrap());
    store.apply(task.number, status(1, protocol::task::State::Working), None, 6).await.unwrap();
    store.apply(task.number, status(2, protocol::task::State::Completed), None, 7).await.unwrap();
    store.close().await;
    let store = TaskStore::open(folder.path()).await.unwrap();
    let first = store.due_notifications(10, 9).await.unwrap().pop().unwrap();
    assert_eq!((first.change.number, first.config.token.as_str()), (2, "secret"));
    store.notification_failed(&first, Some(Duration::from_millis(5)), 10).await.unwrap();
    assert!(store.due_notifications(14, 9).await.unwrap().is_empty());
    let again = store.due_notifications(15, 9).await.unwrap().pop().unwrap();
    assert_eq!((again.change.number, again.failures), (2, 1));
    store.notified(&again).await.unwrap();
    let second = store.due_notifications(15, 9).await.unwrap().pop().unwrap();
    assert_eq!((second.change.number, second.failures), (3, 0));
    store.notification_failed(&second, None, 15).await.unwrap();
    assert!(store.due_notifications(99, 9).await.unwrap().is_empty());
}

#[tokio::test]
async fn one_webhook_too_many_is_refused_and_a_known_one_is_replaced() {
    let store = TaskStore::in_memory().await.unwrap();
    let task = begun(&store, 1, "alice", 5).await;
    for n in 0..WEBHOOKS_MAX {
        assert!(store.put_webhook(task.number, &hook(&n.to_string())).await.unwrap());
    }
    assert!(!store.put_webhook(task.number, &hook("more")).await.unwrap());
    assert!(store.put_webhook(task.number, &hook("0")).await.unwrap());
    store.delete_webhook(task.number, "0").await.unwrap();
    store.delete_webhook(task.number, "0").await.unwrap();
    assert_eq!(store.webhooks(task.number).await.unwrap().len(), WEBHOOKS_MAX - 1);
}

#[tokio::test]
async fn silent_tasks_fail_and_old_ones_are_deleted() {
    let store = TaskStore::in_memory().await.unwrap();
    let silent = begun(&store, 1, "alice", 5).await;
    let why = TaskEvent::Failed { why: Message::of_agent("m", vec![Part::text("silent")]) };
    let after = i64::try_from(SILENT_TASK_TTL.as_millis()).unwrap() + 6;
    assert_eq!(store.expire(&why, after).await.unwrap(), [silent.number]);
    assert!(store.expire(&why, after + 1).await.unwrap().is_empty());
    let gone = after + i64::try_from(ENDED_TASK_TTL.as_millis()).unwrap() + 1;
    store.expire(&why, gone).await.unwrap();
    assert_eq!(store.find_given(&agent(), id(1)).await.unwrap(), None);
}
