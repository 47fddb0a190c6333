//! The MCP extension `io.modelcontextprotocol/tasks`. A client that declares it gets a handle from
//! `submit_task`, and follows the same durable task with `tasks/get`, `tasks/update` and
//! `tasks/cancel`.

use protocol::UnixSeconds;
use protocol::task::State;
use rmcp::model::{
    CallToolResult, CreateTaskResult, DetailedTask, ErrorData, GetTaskResult, InputRequest, InputRequests,
    InputResponses, JsonObject, Task as McpTask, TaskPayload, TaskStatus,
};
use serde_json::{Value, json};

use crate::tasks::{EntryKind, Task, TaskEntry, TaskRole};
use crate::text_part::text_part;
use crate::tool::Toolbox;
use crate::view::{MESSAGES_SHOWN, TaskView, rfc3339};

/// How often a client should poll; a task seldom changes faster.
const POLL_INTERVAL_MS: u64 = 2_000;
/// Bytes of a question in the form; `get_task_status` returns all of it.
const QUESTION_BYTES_MAX: usize = 4096;

/// The handle of the task in a result of `submit_task`.
pub(super) fn handle_of(result: &CallToolResult) -> Option<CreateTaskResult> {
    let task = result.structured_content.as_ref()?.get("task")?;
    let text = |member: &str| task.get(member).and_then(Value::as_str);
    let handle = McpTask::new(text("id")?, TaskStatus::Working, text("created_at")?, text("updated_at")?);
    Some(CreateTaskResult::new(handle.with_poll_interval_ms(POLL_INTERVAL_MS)))
}

pub(super) async fn get(toolbox: &Toolbox, id: &str) -> Result<GetTaskResult, ErrorData> {
    let task = find(toolbox, id).await?;
    let entries = toolbox.store.tasks.entries(&task, MESSAGES_SHOWN).await;
    let entries = entries.map_err(|_| unavailable())?;
    let (created, updated): (UnixSeconds, UnixSeconds) = (task.created, task.updated);
    let mut shown = McpTask::new(id, TaskStatus::Working, rfc3339(created), rfc3339(updated))
        .with_poll_interval_ms(POLL_INTERVAL_MS);
    if let Some(progress) = task.progress {
        shown = shown.with_status_message(format!("{progress} % done"));
    }
    Ok(GetTaskResult::new(DetailedTask::new(shown, payload(&task, &entries)?)))
}

/// Sends each answer to the worker.
pub(super) async fn update(toolbox: &Toolbox, id: &str, answers: InputResponses) -> Result<(), ErrorData> {
    let task = find(toolbox, id).await?;
    let open_question = question_key(&task);
    for (key, answer) in answers {
        // Nobody waits for an answer to an older question, or to none.
        if key != open_question || !task.state.waits_for_giver() {
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
    let text = serde_json::to_value(&result.content).unwrap_or_default();
    let text = text.pointer("/0/text").and_then(Value::as_str).unwrap_or_default().to_owned();
    Err(ErrorData::internal_error(
        "the tool call failed",
        Some(serde_json::from_str(&text).unwrap_or_default()),
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
        State::InputRequired | State::AuthRequired => {
            TaskPayload::InputRequired { input_requests: input_requests(task, entries)? }
        }
        State::Canceled => TaskPayload::Cancelled,
        State::Completed | State::Failed | State::Rejected => {
            let view = serde_json::to_value(TaskView::from_entries(task, entries, false))
                .map_err(|_| unavailable())?;
            let result = serde_json::to_value(CallToolResult::structured(view)).map_err(|_| unavailable())?;
            TaskPayload::Completed { result: object(result) }
        }
    })
}

/// The worker's question as a form with one field. The message says that the question is the
/// worker's text.
fn input_requests(task: &Task, entries: &[TaskEntry]) -> Result<InputRequests, ErrorData> {
    let is_question = |entry: &&TaskEntry| !entry.mine && entry.content.kind == EntryKind::Status;
    let asked = entries.iter().rev().find(is_question).and_then(|entry| entry.content.body.as_ref());
    let asked =
        asked.map_or_else(String::new, |body| body.as_str().map_or_else(|| body.to_string(), str::to_owned));
    let asked = text_part(&asked, 0, QUESTION_BYTES_MAX);
    let request = json!({"method": "elicitation/create", "params": {
        "mode": "form",
        "message": format!("The agent {} asks (its words, not this server's): {asked}", task.peer),
        "requestedSchema": {"type": "object", "properties": {"answer": {"type": "string", "title": "Answer"}}, "required": ["answer"]},
    }});
    let request: InputRequest = serde_json::from_value(request).map_err(|_| unavailable())?;
    Ok(InputRequests::from([(question_key(task), request)]))
}

/// Identifies the question of one status, so that answers to older ones can be recognised.
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
    ErrorData::internal_error("this server failed; its log contains the cause", None)
}
