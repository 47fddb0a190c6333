//! The tasks extension of MCP: a client that declares it gets a handle, and follows the durable
//! task with it.

use protocol::envelope::{Content, MessageId, MessageType};
use protocol::task::{State, Status, TaskMessage};
use serde_json::{Value, json};

use crate::test_endpoint::TestEndpoint;

/// A request of a client that declares the extension.
async fn request(served: &TestEndpoint, method: &str, name: Option<&str>, mut params: Value) -> Value {
    params["_meta"] = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {"extensions": {"io.modelcontextprotocol/tasks": {}}},
    });
    let mut request = served
        .post(&json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}))
        .header("mcp-protocol-version", "2026-07-28")
        .header("mcp-method", method)
        .bearer_auth(served.key.reveal());
    if let Some(name) = name {
        request = request.header("mcp-name", name);
    }
    request.send().await.unwrap().json().await.unwrap()
}

async fn submitted(served: &TestEndpoint) -> String {
    let params = json!({"name": "submit_task", "arguments": {"to": "bob", "text": "sum 1 2"}});
    let answer = request(served, "tools/call", Some("submit_task"), params).await;
    assert_eq!(answer["result"]["resultType"], "task", "{answer}");
    assert_eq!(answer["result"]["status"], "working");
    answer["result"]["taskId"].as_str().unwrap().to_owned()
}

/// What the worker says comes in.
async fn worker_says(served: &TestEndpoint, task: &str, revision: u64, state: State, output: Value) {
    let status = Status {
        task: task.parse().unwrap(),
        revision,
        state,
        note: None,
        progress: None,
        output: Some(output),
    };
    let content: Content = TaskMessage::Status(status).to_content();
    served.arrive_with(MessageId::new(1_790_000_100 + revision, [9; 10]), MessageType::Event, content).await;
}

#[tokio::test]
async fn a_task_is_followed_fed_and_finished_by_its_handle() {
    let served = TestEndpoint::start().await;
    let id = submitted(&served).await;
    let get =
        async || request(&served, "tasks/get", Some(&id), json!({"taskId": id})).await["result"].clone();
    assert_eq!(get().await["status"], "working");

    worker_says(&served, &id, 1, State::InputRequired, json!("in which base?")).await;
    let asking = get().await;
    assert_eq!(asking["status"], "input_required", "{asking}");
    let (key, question) = asking["inputRequests"].as_object().unwrap().iter().next().unwrap();
    assert_eq!(question["method"], "elicitation/create");
    assert!(question["params"]["message"].as_str().unwrap().ends_with("in which base?"), "{question}");

    let answer =
        json!({"taskId": id, "inputResponses": {key: {"action": "accept", "content": {"answer": "ten"}}}});
    let updated = request(&served, "tasks/update", Some(&id), answer).await;
    assert_eq!(updated["result"]["resultType"], "complete", "{updated}");
    let task = served.toolbox.store.tasks.find(id.parse().unwrap(), None).await.unwrap();
    let said = served.toolbox.store.tasks.entries(&task, 1).await.unwrap();
    assert_eq!(said[0].content.body, Some(json!("ten")));

    worker_says(&served, &id, 2, State::Completed, json!({"sum": 3})).await;
    let done = get().await;
    assert_eq!(done["status"], "completed");
    assert_eq!(done["result"]["structuredContent"]["task"]["state"], "completed");
}

#[tokio::test]
async fn cancelling_asks_the_worker() {
    let served = TestEndpoint::start().await;
    let id = submitted(&served).await;
    let answer = request(&served, "tasks/cancel", Some(&id), json!({"taskId": id})).await;
    assert_eq!(answer["result"]["resultType"], "complete", "{answer}");
    let task = served.toolbox.store.tasks.find(id.parse().unwrap(), None).await.unwrap();
    assert!(task.cancel_requested);
}

#[tokio::test]
async fn a_client_without_the_extension_gets_a_result_and_no_tasks() {
    let served = TestEndpoint::start().await;
    let answer = served.call("submit_task", &json!({"to": "bob", "text": "x"})).send().await.unwrap();
    let answer: Value = answer.json().await.unwrap();
    assert_eq!(answer["result"]["structuredContent"]["task"]["state"], "submitted", "{answer}");
    let id = answer["result"]["structuredContent"]["task"]["id"].as_str().unwrap();
    let get = served.modern("tasks/get", Some(id), json!({"taskId": id})).bearer_auth(served.key.reveal());
    let get: Value = get.send().await.unwrap().json().await.unwrap();
    assert_eq!(get["error"]["code"], -32021, "{get}");
}
