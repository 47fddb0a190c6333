//! Exchanges tasks between an MCP user and an agent on the SDK in both directions, over a real
//! relay and over a crash.

use msg2agent::task::{Input, State, Status, Submit, TaskMessage};
use msg2agent::{Agent, Message, MessageType, SendOptions};
use serde_json::{Value, json};

use crate::endpoint::Endpoint;

/// The next message, which is about a task.
async fn next(agent: &Agent) -> (Message, TaskMessage) {
    let message = agent.inbox().next().await.unwrap();
    let said = TaskMessage::from_content(message.content()).unwrap().unwrap();
    message.ack().await.unwrap();
    (message, said)
}

fn status(task: &Message, revision: u64, state: State, output: Value) -> TaskMessage {
    let output = Some(output);
    TaskMessage::Status(Status { task: task.id(), revision, state, note: None, progress: None, output })
}

#[tokio::test]
async fn an_agent_on_the_sdk_takes_a_task_asks_and_finishes() {
    let endpoint = Endpoint::start().await;
    let bob = endpoint.bob.clone();
    let working = tokio::spawn(async move {
        let (task, said) = next(&bob).await;
        assert_eq!(said, TaskMessage::Submit(Submit { title: None, input: json!("sum 1 2") }));
        task.reply(status(&task, 1, State::InputRequired, json!("in which base?")).to_content())
            .await
            .unwrap();
        let (_, said) = next(&bob).await;
        assert_eq!(said, TaskMessage::Input(Input { task: task.id(), input: json!("ten") }));
        task.reply(status(&task, 2, State::Completed, json!({"sum": 3})).to_content()).await.unwrap();
    });
    let arguments = json!({"to": "bob", "text": "sum 1 2", "wait_seconds": 30});
    let asked = endpoint.call("submit_task", arguments).await.unwrap();
    assert_eq!(asked["task"]["state"], "input_required", "{asked}");
    assert_eq!(asked["messages"][1]["untrusted"]["text"], "in which base?");
    let answer = json!({"id": asked["task"]["id"], "text": "ten", "wait_seconds": 30});
    let done = endpoint.call("send_task_input", answer).await.unwrap();
    assert_eq!(done["task"]["state"], "completed", "{done}");
    assert_eq!(done["messages"][3]["untrusted"]["json"], json!({"sum": 3}));
    working.await.unwrap();
    let counted = endpoint.call("message_count", json!({})).await.unwrap();
    assert_eq!(counted["total"], 0, "messages of a task are not counted in the inbox");
}

#[tokio::test]
async fn an_agent_that_knows_no_tasks_answers_and_so_finishes_one() {
    let endpoint = Endpoint::start().await;
    let bob = endpoint.bob.clone();
    let answering = tokio::spawn(async move {
        let question = bob.inbox().next().await.unwrap();
        question.reply(msg2agent::Content::text("forty-two")).await.unwrap();
        question.ack().await.unwrap();
    });
    let arguments = json!({"to": "bob", "text": "what is it?", "wait_seconds": 30});
    let done = endpoint.call("submit_task", arguments).await.unwrap();
    assert_eq!(done["task"]["state"], "completed", "{done}");
    assert_eq!(done["messages"][1]["untrusted"]["text"], "forty-two");
    answering.await.unwrap();
}

#[tokio::test]
async fn a_task_given_to_an_mcp_user_survives_a_crash_and_its_giver_hears_the_end() {
    let mut endpoint = Endpoint::start_durable().await;
    let alice = "did:wba:relay.test:agent:acme:alice".parse().unwrap();
    let submit = TaskMessage::Submit(Submit { title: Some("sum".into()), input: json!({"sum": [1, 2]}) });
    let options = SendOptions { r#type: MessageType::Request, ..SendOptions::default() };
    let given = endpoint.bob.send_with(&alice, submit.to_content(), options).await.unwrap();
    let listed = endpoint.until("list_tasks", json!({"role": "worker"}), "/tasks/0").await;
    assert_eq!((&listed["id"], &listed["untrusted"]["title"]), (&json!(given.id.to_string()), &json!("sum")));

    endpoint.crash_and_restart().await;
    let listed = endpoint.call("list_tasks", json!({"open_only": true})).await.unwrap();
    let id = listed["tasks"][0]["id"].clone();
    assert_eq!(id, given.id.to_string());
    let read = endpoint.call("get_task_status", json!({"id": id})).await.unwrap();
    assert_eq!(read["messages"][0]["untrusted"]["json"], json!({"sum": [1, 2]}));
    let done = json!({"id": id, "state": "completed", "json": {"sum": 3}, "note": "easy"});
    endpoint.call("update_task", done).await.unwrap();
    let (message, said) = next(&endpoint.bob).await;
    assert_eq!(message.re(), Some(given.id));
    let TaskMessage::Status(said) = said else { panic!("{said:?}") };
    assert_eq!((said.state, said.output, said.revision), (State::Completed, Some(json!({"sum": 3})), 1));
}
