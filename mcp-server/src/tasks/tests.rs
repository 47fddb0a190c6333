//! Stored tasks: both sides, restarts, and limits.

use protocol::task::{Part, State};
use serde_json::json;

use super::*;
use crate::fixtures::{did, message_id};

fn submit(text: &str) -> Submit {
    Submit { title: Some("a title".into()), input: json!(text) }
}

fn status(revision: u64, state: State) -> TaskMessage {
    let output = Some(json!({"n": revision}));
    TaskMessage::Status(Status {
        task: message_id(1),
        revision,
        state,
        note: None,
        progress: Some(50),
        output,
    })
}

async fn in_memory() -> Tasks {
    Tasks::new(Database::in_memory().await.unwrap())
}

#[tokio::test]
async fn a_given_task_follows_its_worker_and_nobody_else() {
    let tasks = in_memory().await;
    let task = tasks
        .create_given(&did("bob"), message_id(1), &submit("sum"), &Content::text("sum"), 100)
        .await
        .unwrap()
        .unwrap();
    assert_eq!((task.role, task.state, task.created), (TaskRole::Giver, State::Submitted, 100));
    let forged =
        tasks.receive(&did("mallory"), message_id(2), &status(1, State::Completed), 101).await.unwrap();
    assert_eq!(forged, TaskReceiveOutcome::NotATask);
    let changed = tasks.receive(&did("bob"), message_id(2), &status(1, State::Working), 102).await.unwrap();
    let TaskReceiveOutcome::Changed(changed) = changed else { panic!("{changed:?}") };
    assert_eq!((changed.state, changed.progress, changed.updated), (State::Working, Some(50), 102));
    assert!(changed.change > task.change);
    let again = tasks.receive(&did("bob"), message_id(2), &status(1, State::Working), 103).await.unwrap();
    assert_eq!(again, TaskReceiveOutcome::Duplicate);
    let entries = tasks.entries(&task, 10).await.unwrap();
    assert_eq!(
        entries.iter().map(|entry| (entry.number, entry.mine)).collect::<Vec<_>>(),
        [(1, true), (2, false)]
    );
    assert_eq!(entries[0].content.body, Some(json!("sum")));
    assert_eq!(entries[1].content.body, Some(json!({"n": 1})));
}

#[tokio::test]
async fn a_received_task_is_there_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let database = Database::open(folder.path()).await.unwrap();
    let submitted = TaskMessage::Submit(submit("sum"));
    Tasks::new(database.clone()).receive(&did("bob"), message_id(1), &submitted, 100).await.unwrap();
    database.close().await;
    let tasks = Tasks::new(Database::open(folder.path()).await.unwrap());
    assert_eq!(
        tasks.receive(&did("bob"), message_id(1), &submitted, 101).await.unwrap(),
        TaskReceiveOutcome::Duplicate
    );
    let task = tasks.find(message_id(1), None).await.unwrap();
    assert_eq!((task.role, task.title.as_deref()), (TaskRole::Worker, Some("a title")));
}

#[tokio::test]
async fn what_was_not_sent_is_taken_back() {
    let tasks = in_memory().await;
    let submitted = TaskMessage::Submit(submit("sum"));
    tasks.receive(&did("bob"), message_id(1), &submitted, 100).await.unwrap();
    let task = tasks.find(message_id(1), None).await.unwrap();
    let update =
        rules::StatusUpdate { state: State::Completed, note: None, progress: None, output: Some(json!(3)) };
    let decide = |task: &Task| {
        let (transition, status) = rules::update(task, update)?;
        Ok::<_, rules::RuleError>((transition, TaskMessage::Status(status).to_content()))
    };
    let said = tasks.record_outgoing(task.number, message_id(2), 101, decide).await.unwrap();
    assert_eq!((said.state, said.revision), (State::Completed, 1));
    let unsent = tasks.unsent(task.number).await.unwrap().pop().unwrap();
    assert_eq!((unsent.message, unsent.to.clone(), unsent.is_submit()), (message_id(2), did("bob"), false));
    tasks.undo(&unsent).await.unwrap();
    assert!(tasks.with_unsent().await.unwrap().is_empty());
    let back = tasks.find(message_id(1), None).await.unwrap();
    assert_eq!((back.state, back.revision), (State::Submitted, 0));
    assert_eq!(tasks.entries(&back, 10).await.unwrap().len(), 1);
}

#[tokio::test]
async fn the_same_id_with_two_agents_needs_a_name() {
    let tasks = in_memory().await;
    for from in ["bob", "carol"] {
        tasks.receive(&did(from), message_id(1), &TaskMessage::Submit(submit("sum")), 100).await.unwrap();
    }
    assert!(matches!(tasks.find(message_id(1), None).await, Err(FindTaskError::Ambiguous)));
    assert_eq!(tasks.find(message_id(1), Some(&did("carol"))).await.unwrap().peer, did("carol"));
    assert!(matches!(tasks.find(message_id(2), None).await, Err(FindTaskError::Absent)));
}

#[tokio::test]
async fn filters_and_pages_of_the_list() {
    let tasks = in_memory().await;
    for n in 1..=3 {
        tasks
            .create_given(&did("bob"), message_id(n), &submit("sum"), &Content::text("sum"), n)
            .await
            .unwrap();
    }
    tasks.receive(&did("carol"), message_id(4), &TaskMessage::Submit(submit("sum")), 4).await.unwrap();
    tasks.receive(&did("bob"), message_id(9), &status(1, State::Completed), 5).await.unwrap();
    let list = async |filter: TaskFilter, cursor| tasks.list(&filter, cursor, 2).await.unwrap();
    let first = list(TaskFilter::default(), None).await;
    let ids = |page: &TaskPage| page.tasks.iter().map(|task| task.id).collect::<Vec<_>>();
    assert_eq!(ids(&first), [message_id(4), message_id(3)]);
    let second = list(TaskFilter::default(), first.next).await;
    assert_eq!((ids(&second), second.next), (vec![message_id(2), message_id(1)], None));
    let open = TaskFilter { role: Some(TaskRole::Giver), open: true, ..TaskFilter::default() };
    assert_eq!(ids(&list(open, None).await), [message_id(3), message_id(2)]);
    let completed = TaskFilter { state: Some(State::Completed), ..TaskFilter::default() };
    assert_eq!(ids(&list(completed, None).await), [message_id(1)]);
    assert_eq!(tasks.open_count().await.unwrap(), 3);
}

#[tokio::test]
async fn a_long_task_keeps_its_beginning_and_its_end() {
    let tasks = in_memory().await;
    let task = tasks
        .create_given(&did("bob"), message_id(1), &submit("sum"), &Content::text("sum"), 100)
        .await
        .unwrap()
        .unwrap();
    let last = TASK_ENTRIES_MAX.cast_unsigned() + 10;
    for revision in 1..=last {
        tasks
            .receive(&did("bob"), message_id(100 + revision), &status(revision, State::Working), 101)
            .await
            .unwrap();
    }
    assert_eq!(tasks.entry(&task, 1).await.unwrap().unwrap().content.kind, EntryKind::Submit);
    assert_eq!(tasks.entry(&task, 2).await.unwrap(), None);
    let kept = tasks.entries(&task, 1000).await.unwrap();
    assert_eq!(kept.len() as i64, TASK_ENTRIES_MAX + 1);
    assert_eq!(kept.last().unwrap().content.body, Some(json!({"n": last})));
}

#[tokio::test]
async fn what_was_stored_and_not_sent_is_there_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let database = Database::open(folder.path()).await.unwrap();
    let content = Content::text("sum");
    let given = Tasks::new(database.clone())
        .create_given(&did("bob"), message_id(1), &submit("sum"), &content, 100)
        .await;
    let number = given.unwrap().unwrap().number;
    database.close().await;
    let tasks = Tasks::new(Database::open(folder.path()).await.unwrap());
    assert_eq!(tasks.with_unsent().await.unwrap(), [number]);
    let unsent = tasks.unsent(number).await.unwrap().pop().unwrap();
    assert!(unsent.is_submit());
    assert_eq!((&unsent.content, &unsent.to), (&content, &did("bob")));
    tasks.mark_sent(&unsent).await.unwrap();
    assert!(tasks.with_unsent().await.unwrap().is_empty());
    assert!(tasks.find(message_id(1), None).await.is_ok());
}

#[tokio::test]
async fn a_full_store_keeps_no_task_from_its_end_and_forgets_none_whose_end_was_not_sent() {
    let tasks = in_memory().await;
    let submitted = TaskMessage::Submit(submit("sum"));
    tasks.receive(&did("bob"), message_id(1), &submitted, 100).await.unwrap();
    let input = TaskMessage::Input(Input { task: message_id(1), input: json!(1) });
    tasks.receive(&did("bob"), message_id(2), &input, 101).await.unwrap();
    let use_bytes = async |bytes: u64| {
        let used = sqlx::query("update totals set task_bytes = ?").bind(bytes.cast_signed());
        used.execute(tasks.database.pool()).await.unwrap();
    };
    use_bytes(TASK_BYTES_MAX + 1000).await;
    let task = tasks.find(message_id(1), None).await.unwrap();
    let update = rules::StatusUpdate { state: State::Completed, note: None, progress: None, output: None };
    let decide = |task: &Task| {
        let (transition, status) = rules::update(task, update)?;
        Ok::<_, rules::RuleError>((transition, TaskMessage::Status(status).to_content()))
    };
    tasks.record_outgoing(task.number, message_id(3), 102, decide).await.unwrap();
    let refused = tasks.receive(&did("carol"), message_id(9), &submitted, 103).await.unwrap();
    assert_eq!(refused, TaskReceiveOutcome::NotATask, "a new task has no room");
    let kept = tasks.find(message_id(1), None).await.unwrap();
    assert_eq!(kept.state, State::Completed);
    assert_eq!(tasks.entries(&kept, 9).await.unwrap().len(), 2, "the oldest and the newest");
    let unsent = tasks.unsent(task.number).await.unwrap().pop().unwrap();
    tasks.mark_sent(&unsent).await.unwrap();
    use_bytes(TASK_BYTES_MAX).await;
    tasks.receive(&did("carol"), message_id(9), &submitted, 104).await.unwrap();
    assert!(matches!(tasks.find(message_id(1), None).await, Err(FindTaskError::Absent)));
}

#[tokio::test]
async fn an_artifact_is_kept_as_a_message_of_its_task() {
    let tasks = in_memory().await;
    let given =
        tasks.create_given(&did("bob"), message_id(1), &submit("sum"), &Content::text("sum"), 100).await;
    let given = given.unwrap().unwrap();
    let artifact = TaskMessage::Artifact(Artifact {
        task: message_id(1),
        revision: 1,
        artifact: "sum".into(),
        name: None,
        description: None,
        parts: vec![Part::text("3")],
        append: false,
        last: true,
    });
    let heard = tasks.receive(&did("bob"), message_id(2), &artifact, 101).await.unwrap();
    assert!(matches!(heard, TaskReceiveOutcome::Changed(_)), "{heard:?}");
    let entry = tasks.entries(&given, 9).await.unwrap().pop().unwrap();
    assert_eq!(entry.content.kind, EntryKind::Artifact);
    assert_eq!(entry.content.body.unwrap()["parts"], json!([{"text": "3"}]));
    let stranger = tasks.receive(&did("carol"), message_id(3), &artifact, 102).await.unwrap();
    assert_eq!(stranger, TaskReceiveOutcome::NotATask);
}

#[tokio::test]
async fn more_messages_than_may_wait_are_refused() {
    let tasks = in_memory().await;
    let fill =
        "insert into tasks (given, peer, id, state, revision, cancel_requested, change, created, updated)
        values (1, 'did:wba:example.com:agent:acme:bob', 'x', 'submitted', 0, 0, 1, 1, 1)";
    sqlx::query(fill).execute(tasks.database.pool()).await.unwrap();
    let fill = "with recursive n(i) as (select 1 union all select i + 1 from n where i < ?)
        insert into task_outbox (task, message, content, state, revision, requests_cancel)
        select 1, i, '{}', 'submitted', 0, 0 from n";
    sqlx::query(fill).bind(UNSENT_MESSAGES_MAX).execute(tasks.database.pool()).await.unwrap();
    let given =
        tasks.create_given(&did("bob"), message_id(1), &submit("sum"), &Content::text("sum"), 100).await;
    assert_eq!(given.unwrap(), None);
    assert!(tasks.find(message_id(1), None).await.is_err(), "nothing of it is left");
}
