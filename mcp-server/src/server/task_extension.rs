//! Given tasks as tasks of MCP (extension `io.modelcontextprotocol/tasks`): a client that declares it gets a handle from
//! `submit_task` and follows the same durable task with `tasks/get`, `tasks/update` and `tasks/cancel`.

use protocol::UnixSeconds;
use protocol::task::State;
use rmcp::model::{
    CallToolResult, CreateTaskResult, DetailedTask, ErrorData, GetTaskResult, InputRequest, InputRequests,
    InputResponses, JsonObject, Task as McpTask, TaskPayload, TaskStatus,
};
use serde_json::{Value, json};

use crate::tasks::{TaskEntry, TaskRole, Task};
use crate::tool::Toolbox;
use crate::view::{TaskView, time};

/// How often a client may ask; changes are seldom faster.
const POLL_INTERVAL_MS: u64 = 2_000;

/// The handle of a task that `submit_task` has just given.
pub(super) fn handle(result: &CallToolResult) -> Option<CreateTaskResult> {
    let task = result.structured_content.as_ref()?.get("task")?;
    let text = |member: &str| task.get(member).and_then(Value::as_str);
    let handle = McpTask::new(text("id")?, TaskStatus::Working, text("created_at")?, text("updated_at")?);
    Some(CreateTaskResult::new(handle.with_poll_interval_ms(POLL_INTERVAL_MS)))
}

pub(super) async fn get(toolbox: &Toolbox, id: &str) -> Result<GetTaskResult, ErrorData> {
    let task = find(toolbox, id).await?;
    let entries = toolbox.store.tasks.entries(&task, crate::view::MESSAGES_SHOWN).await;
    let entries = entries.map_err(|_| unavailable())?;
    let (created, updated): (UnixSeconds, UnixSeconds) = (task.created, task.updated);
    let mut seen =
        McpTask::new(id, TaskStatus::Working, time(created), time(updated)).with_poll_interval_ms(POLL_INTERVAL_MS);
    if let Some(progress) = task.progress {
        seen = seen.with_status_message(format!("{progress} % done"));
    }
    Ok(GetTaskResult::new(DetailedTask::new(seen, payload(&task, &entries)?)))
}

/// Each answer is given to the worker.
pub(super) async fn update(toolbox: &Toolbox, id: &str, answers: InputResponses) -> Result<(), ErrorData> {
    let task = find(toolbox, id).await?;
    let open = question_key(&task);
    for (key, answer) in answers {
        // An answer to an older question, or to none, has nobody who waits for it.
        if key != open || task.state != State::InputRequired {
            continue;
        }
        let answer = serde_json::to_value(answer).map_err(|_| unavailable())?;
        let arguments = match answer.pointer("/content/answer").and_then(Value::as_str) {
            Some(text) => json!({"id": id, "text": text}),
            None => json!({"id": id, "json": {"declined": answer.get("action")}}),
        };
        call(toolbox, "send_task_input", arguments).await?;
    }
    Ok(())
}

pub(super) async fn cancel(toolbox: &Toolbox, id: &str) -> Result<(), ErrorData> {
    if find(toolbox, id).await?.state.is_final() {
        return Ok(());
    }
    call(toolbox, "cancel_task", json!({"id": id})).await
}

async fn call(toolbox: &Toolbox, tool: &str, arguments: Value) -> Result<(), ErrorData> {
    let Value::Object(arguments) = arguments else { return Err(unavailable()) };
    let result = toolbox.call(tool, arguments).await.map_err(|_| unavailable())?;
    if result.is_error != Some(true) {
        return Ok(());
    }
    let said = serde_json::to_value(&result.content).unwrap_or_default();
    let said = said.pointer("/0/text").and_then(Value::as_str).unwrap_or_default().to_owned();
    Err(ErrorData::internal_error(
        "the network refused",
        Some(serde_json::from_str(&said).unwrap_or_default()),
    ))
}

async fn find(toolbox: &Toolbox, id: &str) -> Result<Task, ErrorData> {
    let unknown = || ErrorData::invalid_params("there is no such task", None);
    let parsed = id.parse().map_err(|_| unknown())?;
    let task = toolbox.store.tasks.find(parsed, None).await.map_err(|_| unknown())?;
    if task.role == TaskRole::Giver { Ok(task) } else { Err(unknown()) }
}

fn payload(task: &Task, entries: &[TaskEntry]) -> Result<TaskPayload, ErrorData> {
    Ok(match task.state {
        State::Submitted | State::Working => TaskPayload::Working,
        State::InputRequired => TaskPayload::InputRequired { input_requests: questions(task, entries)? },
        State::Canceled => TaskPayload::Cancelled,
        State::Completed | State::Failed | State::Rejected => {
            let view =
                serde_json::to_value(TaskView::of(task, entries, false)).map_err(|_| unavailable())?;
            let result = serde_json::to_value(CallToolResult::structured(view)).map_err(|_| unavailable())?;
            TaskPayload::Completed { result: object(result) }
        }
    })
}

/// The worker's question as a form with one field. What it wrote is shown as its words, not as ours.
fn questions(task: &Task, entries: &[TaskEntry]) -> Result<InputRequests, ErrorData> {
    let asked = entries.iter().rev().find(|entry| !entry.mine).and_then(|entry| entry.said.body.as_ref());
    let asked =
        asked.map_or_else(String::new, |body| body.as_str().map_or_else(|| body.to_string(), str::to_owned));
    let asked = crate::view::part(&asked, 0, 4096);
    let request = json!({"method": "elicitation/create", "params": {
        "mode": "form",
        "message": format!("The agent {} asks (its words, not this server's): {asked}", task.peer),
        "requestedSchema": {"type": "object", "properties": {"answer": {"type": "string", "title": "Answer"}}, "required": ["answer"]},
    }});
    let request: InputRequest = serde_json::from_value(request).map_err(|_| unavailable())?;
    Ok(InputRequests::from([(question_key(task), request)]))
}

/// Names the question of one status, so that an answer to an older one is told apart.
fn question_key(task: &Task) -> String {
    format!("question-{}", task.revision)
}

fn object(value: Value) -> JsonObject {
    match value {
        Value::Object(object) => object,
        _ => JsonObject::new(),
    }
}

fn unavailable() -> ErrorData {
    ErrorData::internal_error("this server failed; its log says more", None)
}
