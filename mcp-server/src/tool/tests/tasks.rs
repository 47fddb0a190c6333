//! The task tools, used from both sides of a task.

use std::time::Duration;

use protocol::Reason;
use protocol::envelope::MessageType;
use protocol::task::{Cancel, Input, State, Status, Submit, TaskMessage};
use serde_json::{Value, json};

use crate::fixtures::{ToolboxFixture, did, message_id};
use crate::network::NetworkError;
use crate::tool::task_sender::send_all_unsent;

async fn given(network: &ToolboxFixture) -> Value {
    network.call("submit_task", json!({"to": "bob", "text": "sum 1 2", "title": "sum"})).await.unwrap()
}

/// A status from the worker.
fn status(id: &Value, revision: u64, state: State, output: Option<Value>) -> TaskMessage {
    let task = id.as_str().unwrap().parse().unwrap();
    TaskMessage::Status(Status { task, revision, state, note: None, progress: None, output })
}

fn last_sent(network: &ToolboxFixture) -> TaskMessage {
    TaskMessage::from_content(&network.sent().last().unwrap().content).unwrap().unwrap()
}

#[tokio::test]
async fn a_task_is_given_answered_fed_and_completed() {
    let network = ToolboxFixture::new().await;
    let task = given(&network).await;
    let id = task["task"]["id"].clone();
    assert_eq!((&task["task"]["role"], &task["task"]["state"]), (&json!("giver"), &json!("submitted")));
    assert_eq!(
        last_sent(&network),
        TaskMessage::Submit(Submit { title: Some("sum".into()), input: json!("sum 1 2") })
    );
    {
        let sent = network.sent();
        let sent = sent.last().unwrap();
        assert_eq!(
            (sent.id.unwrap().to_string(), sent.kind),
            (id.as_str().unwrap().to_owned(), MessageType::Request)
        );
        assert_eq!(sent.thread.as_deref(), id.as_str());
    }

    network.hear(2, "bob", &status(&id, 1, State::InputRequired, Some(json!("in which base?")))).await;
    let asked = network.call("get_task_status", json!({"id": id})).await.unwrap();
    assert_eq!(asked["task"]["state"], "input_required");
    assert_eq!(asked["messages"][1]["untrusted"]["text"], "in which base?");
    assert_eq!(asked["messages"][0]["own"]["text"], "sum 1 2");

    network.call("send_task_input", json!({"id": id, "json": {"base": 10}})).await.unwrap();
    let task_id = id.as_str().unwrap().parse().unwrap();
    assert_eq!(last_sent(&network), TaskMessage::Input(Input { task: task_id, input: json!({"base": 10}) }));

    network.hear(3, "bob", &status(&id, 2, State::Completed, Some(json!({"sum": 3})))).await;
    let done = network.call("get_task_status", json!({"id": id, "wait_seconds": 1})).await.unwrap();
    assert_eq!((&done["task"]["state"], &done["timed_out"]), (&json!("completed"), &json!(false)));
    assert_eq!(done["messages"][3]["untrusted"]["json"], json!({"sum": 3}));
    let late = network.refusal("send_task_input", json!({"id": id, "text": "more"})).await;
    assert_eq!(late, "task_ended");
}

#[tokio::test]
async fn a_received_task_is_worked_on_and_its_giver_hears_of_it() {
    let network = ToolboxFixture::new().await;
    let submit = Submit { title: Some("t".into()), input: json!("sum 1 2") };
    network.hear(1, "bob", &TaskMessage::Submit(submit)).await;
    let listed = network.call("list_tasks", json!({"role": "worker", "open_only": true})).await.unwrap();
    assert_eq!(listed["tasks"][0]["untrusted"]["title"], "t");
    let id = listed["tasks"][0]["id"].clone();
    let arguments = json!({"id": id, "state": "input_required", "text": "in which base?"});
    network.call("update_task", arguments).await.unwrap();
    assert_eq!(last_sent(&network), status(&id, 1, State::InputRequired, Some(json!("in which base?"))));
    assert_eq!(network.sent().last().unwrap().to, did("bob"));

    network.hear(2, "bob", &TaskMessage::Input(Input { task: message_id(1), input: json!(10) })).await;
    network
        .hear(3, "bob", &TaskMessage::Cancel(Cancel { task: message_id(1), note: Some("enough".into()) }))
        .await;
    let seen = network.call("get_task_status", json!({"id": id})).await.unwrap();
    assert_eq!(
        (&seen["task"]["cancel_requested"], &seen["task"]["state"]),
        (&json!(true), &json!("input_required"))
    );
    assert_eq!(seen["messages"][2]["untrusted"]["json"], 10);

    let done = network.call("update_task", json!({"id": id, "state": "canceled"})).await.unwrap();
    assert_eq!(done["task"]["state"], "canceled");
    let again = network.refusal("update_task", json!({"id": id, "state": "working"})).await;
    assert_eq!(again, "task_ended");
    assert_eq!(network.call("list_tasks", json!({})).await.unwrap()["open"], 0);
}

#[tokio::test]
async fn waiting_ends_with_the_first_change_or_the_time() {
    let network = ToolboxFixture::new().await;
    let id = given(&network).await["task"]["id"].clone();
    let waiting = network.call("get_task_status", json!({"id": id, "wait_seconds": 40}));
    let working = async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        network.hear(2, "bob", &status(&id, 1, State::Working, None)).await;
    };
    let (seen, ()) = tokio::join!(waiting, working);
    let seen = seen.unwrap();
    assert_eq!((&seen["task"]["state"], &seen["timed_out"]), (&json!("working"), &json!(false)));
    let silent = network.call("get_task_status", json!({"id": id, "wait_seconds": 1})).await.unwrap();
    assert_eq!(silent["timed_out"], true);
    let known = json!({"id": id, "wait_seconds": 40, "after": 0});
    assert_eq!(network.call("get_task_status", known).await.unwrap()["timed_out"], false);
}

#[tokio::test]
async fn a_task_that_the_relay_refuses_leaves_nothing_behind() {
    let network = ToolboxFixture::new().await;
    network.refuse_with(NetworkError::Relay { reason: Reason::NotFound, retry_after_ms: None, quota: None });
    assert_eq!(network.refusal("submit_task", json!({"to": "bob", "text": "x"})).await, "not_found");
    assert_eq!(network.call("list_tasks", json!({})).await.unwrap()["tasks"], json!([]));
}

#[tokio::test]
async fn a_status_that_was_not_sent_is_as_if_it_was_never_said() {
    let network = ToolboxFixture::new().await;
    network.hear(1, "bob", &TaskMessage::Submit(Submit { title: None, input: json!(1) })).await;
    let id = message_id(1).to_string();
    network.refuse_with(NetworkError::Relay {
        reason: Reason::MailboxFull,
        retry_after_ms: Some(9),
        quota: None,
    });
    let done = json!({"id": id, "state": "completed", "json": {"n": 1}});
    assert_eq!(network.refusal("update_task", done.clone()).await, "mailbox_full");
    assert_eq!(
        network.call("get_task_status", json!({"id": id})).await.unwrap()["task"]["state"],
        "submitted"
    );
    network.call("update_task", done).await.unwrap();
    assert!(matches!(last_sent(&network), TaskMessage::Status(Status { revision: 1, .. })));
}

#[tokio::test]
async fn an_uncertain_send_is_repeated_once_under_the_same_id() {
    let network = ToolboxFixture::new().await;
    network.refuse_with(NetworkError::RelayTimeout);
    let task = given(&network).await;
    let sent = network.sent();
    assert_eq!(sent.len(), 2);
    assert_eq!(sent[0].id, sent[1].id);
    assert_eq!(task["task"]["state"], "submitted");
}

#[tokio::test]
async fn a_status_that_the_relay_never_answered_is_sent_until_it_does_and_before_the_next_one() {
    let network = ToolboxFixture::new().await;
    network.hear(1, "bob", &TaskMessage::Submit(Submit { title: None, input: json!(1) })).await;
    let id = message_id(1).to_string();
    (0..4).for_each(|_| network.refuse_with(NetworkError::RelayTimeout));
    for state in ["working", "completed"] {
        let said = network.refusal("update_task", json!({"id": id, "state": state})).await;
        assert_eq!(said, "unanswered", "{state}");
    }
    let first = network.sent()[0].id;
    assert!(network.sent().iter().all(|sent| sent.id == first), "the second one waits behind it");
    let seen = network.call("get_task_status", json!({"id": id})).await.unwrap();
    assert_eq!(seen["task"]["state"], "completed");

    network.refuse_with(NetworkError::RelayUnreachable);
    send_all_unsent(&network.toolbox).await.unwrap();
    let duplicate = Reason::DuplicateId;
    network.refuse_with(NetworkError::Relay { reason: duplicate, retry_after_ms: None, quota: None });
    send_all_unsent(&network.toolbox).await.unwrap();
    let revisions: Vec<_> = network.sent()[4..]
        .iter()
        .map(|sent| match TaskMessage::from_content(&sent.content).unwrap().unwrap() {
            TaskMessage::Status(status) => status.revision,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(revisions, [1, 1, 2]);
    send_all_unsent(&network.toolbox).await.unwrap();
    assert_eq!(network.sent().len(), 7, "nothing waits any more");
}

#[tokio::test]
async fn a_refused_cancel_takes_nothing_back_that_the_worker_said_meanwhile() {
    let network = ToolboxFixture::new().await;
    let id = given(&network).await["task"]["id"].clone();
    network.hear_meanwhile(2, "bob", &status(&id, 1, State::Completed, Some(json!(3))));
    network.refuse_with(NetworkError::Relay {
        reason: Reason::MailboxFull,
        retry_after_ms: Some(9),
        quota: None,
    });
    assert_eq!(network.refusal("cancel_task", json!({"id": id})).await, "mailbox_full");
    let seen = network.call("get_task_status", json!({"id": id})).await.unwrap();
    assert_eq!(
        (&seen["task"]["state"], &seen["task"]["cancel_requested"]),
        (&json!("completed"), &json!(false))
    );
}

#[tokio::test]
async fn two_updates_at_once_have_two_revisions_and_leave_in_their_order() {
    let network = ToolboxFixture::new().await;
    network.hear(1, "bob", &TaskMessage::Submit(Submit { title: None, input: json!(1) })).await;
    let id = message_id(1).to_string();
    let update = |state| network.call("update_task", json!({"id": id, "state": state}));
    let (working, completed) = tokio::join!(update("working"), update("completed"));
    let ended = completed.unwrap();
    assert_eq!(ended["task"]["state"], "completed");
    assert!(working.is_ok() || working == Err("task_ended".into()));
    let TaskMessage::Status(last) = last_sent(&network) else { panic!("no status") };
    assert_eq!((last.state, last.revision), (State::Completed, network.sent().len() as u64));
}

#[tokio::test]
async fn each_side_has_its_own_tools() {
    let network = ToolboxFixture::new().await;
    let mine = given(&network).await["task"]["id"].clone();
    network.hear(1, "bob", &TaskMessage::Submit(Submit { title: None, input: json!(1) })).await;
    let theirs = message_id(1).to_string();
    assert_eq!(
        network.refusal("update_task", json!({"id": mine, "state": "completed"})).await,
        "not_your_side"
    );
    for tool in ["cancel_task", "send_task_input"] {
        let mut arguments = json!({"id": theirs});
        if tool == "send_task_input" {
            arguments["text"] = "x".into();
        }
        assert_eq!(network.refusal(tool, arguments).await, "not_your_side", "{tool}");
    }
}

#[tokio::test]
async fn cancelling_twice_asks_once() {
    let network = ToolboxFixture::new().await;
    let id = given(&network).await["task"]["id"].clone();
    for _ in 0..2 {
        let task = network.call("cancel_task", json!({"id": id, "note": "enough"})).await.unwrap();
        assert_eq!(task["task"]["cancel_requested"], true);
    }
    assert_eq!(network.sent().len(), 2);
}

#[tokio::test]
async fn a_long_result_is_read_in_parts() {
    let network = ToolboxFixture::new().await;
    let id = given(&network).await["task"]["id"].clone();
    let long = "x".repeat(30 * 1024);
    network.hear(2, "bob", &status(&id, 1, State::Completed, Some(json!(long)))).await;
    let shown = network.call("get_task_status", json!({"id": id})).await.unwrap();
    assert_eq!(shown["messages"][1]["truncated"], true);
    let (mut joined, mut offset) = (String::new(), json!(0));
    while !offset.is_null() {
        let part =
            network.call("get_task_status", json!({"id": id, "message": 2, "offset": offset})).await.unwrap();
        joined.push_str(part["messages"][0]["untrusted"]["text"].as_str().unwrap());
        offset = part["messages"][0]["next_offset"].clone();
    }
    assert_eq!(joined, long);
}

#[tokio::test]
async fn bad_arguments_of_task_tools_are_refused_and_nothing_is_sent() {
    let id = message_id(1).to_string();
    for (tool, arguments, reason) in [
        ("submit_task", json!({"to": "bob"}), "invalid_arguments"),
        ("submit_task", json!({"to": "bob", "text": "x", "title": "x".repeat(201)}), "invalid_arguments"),
        ("submit_task", json!({"to": "bob", "text": "x".repeat(640 * 1024)}), "too_large"),
        ("get_task_status", json!({"id": "1"}), "invalid_arguments"),
        ("get_task_status", json!({"id": id}), "unknown_task"),
        ("cancel_task", json!({"id": id}), "unknown_task"),
        ("update_task", json!({"id": id, "state": "submitted"}), "invalid_arguments"),
        ("list_tasks", json!({"state": "paused"}), "invalid_arguments"),
        ("list_tasks", json!({"limit": 51}), "invalid_arguments"),
    ] {
        let network = ToolboxFixture::new().await;
        assert_eq!(network.refusal(tool, arguments.clone()).await, reason, "{tool} {arguments}");
        assert!(network.sent().is_empty());
    }
}
