//! Writes results and events of version 0.3.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use super::card;
use crate::card::CardPublisher;
use crate::model::{
    Artifact, Message, Part, PartContent, Role, SendMessageResponse, StreamResponse, Task,
    TaskPushNotificationConfig, TaskState, TaskStatus,
};
use crate::operation::OperationResult;

/// The result of a method; `None` for a stream.
pub(crate) fn write_result(
    result: &OperationResult,
    cards: &CardPublisher,
) -> Option<serde_json::Result<Value>> {
    Some(Ok(match result {
        OperationResult::Sent(SendMessageResponse::Task(sent)) => task(sent),
        OperationResult::Sent(SendMessageResponse::Message(sent)) => message(sent),
        OperationResult::Task(found) => task(found),
        OperationResult::Tasks(found) => found.tasks.iter().map(task).collect(),
        OperationResult::PushConfig(config) => push_config(config),
        OperationResult::PushConfigs(found) => found.configs.iter().map(push_config).collect(),
        OperationResult::Deleted => Value::Null,
        OperationResult::Description(agent) => card(&cards.card(agent), &cards.legacy_url(&agent.agent)),
        OperationResult::Stream(_) => return None,
    }))
}

/// One event of a stream.
pub(crate) fn write_event(event: &StreamResponse) -> serde_json::Result<Value> {
    Ok(match event {
        StreamResponse::Task(event) => task(event),
        StreamResponse::Message(event) => message(event),
        StreamResponse::StatusUpdate(update) => {
            let state = update.status.state;
            without_null(json!({
                "kind": "status-update", "taskId": update.task_id, "contextId": update.context_id,
                "status": status(&update.status), "metadata": update.metadata,
                "final": state.is_terminal() || state.is_interrupted(),
            }))
        }
        StreamResponse::ArtifactUpdate(update) => without_null(json!({
            "kind": "artifact-update", "taskId": update.task_id, "contextId": update.context_id,
            "artifact": artifact(&update.artifact), "append": update.append,
            "lastChunk": update.last_chunk, "metadata": update.metadata,
        })),
    })
}

fn task(task: &Task) -> Value {
    let artifacts = task.artifacts.as_deref().unwrap_or_default();
    without_null(json!({
        "kind": "task", "id": task.id, "contextId": task.context_id, "status": status(&task.status),
        "artifacts": list(artifacts, artifact), "history": list(&task.history, message),
        "metadata": task.metadata,
    }))
}

fn status(status: &TaskStatus) -> Value {
    without_null(json!({
        "state": state(status.state), "message": status.message.as_ref().map(message),
        "timestamp": status.timestamp,
    }))
}

const fn state(state: TaskState) -> &'static str {
    match state {
        TaskState::Submitted => "submitted",
        TaskState::Working => "working",
        TaskState::Completed => "completed",
        TaskState::Failed => "failed",
        TaskState::Canceled => "canceled",
        TaskState::InputRequired => "input-required",
        TaskState::Rejected => "rejected",
        TaskState::AuthRequired => "auth-required",
    }
}

fn message(message: &Message) -> Value {
    let role = match message.role {
        Role::User => "user",
        Role::Agent => "agent",
    };
    without_null(json!({
        "kind": "message", "messageId": message.message_id, "role": role,
        "parts": message.parts.iter().map(part).collect::<Vec<_>>(),
        "contextId": message.context_id, "taskId": message.task_id, "metadata": message.metadata,
        "extensions": list(&message.extensions, |uri| json!(uri)),
        "referenceTaskIds": list(&message.reference_task_ids, |id| json!(id)),
    }))
}

fn artifact(artifact: &Artifact) -> Value {
    without_null(json!({
        "artifactId": artifact.artifact_id, "name": text(&artifact.name),
        "description": text(&artifact.description),
        "parts": artifact.parts.iter().map(part).collect::<Vec<_>>(), "metadata": artifact.metadata,
        "extensions": list(&artifact.extensions, |uri| json!(uri)),
    }))
}

fn part(part: &Part) -> Value {
    let file = |member: &str, content: String| {
        let mut file = Map::from_iter([(member.to_owned(), Value::from(content))]);
        file.extend(text(&part.filename).map(|name| ("name".to_owned(), name.into())));
        file.extend(text(&part.media_type).map(|media_type| ("mimeType".to_owned(), media_type.into())));
        json!({"kind": "file", "file": file, "metadata": part.metadata})
    };
    without_null(match &part.content {
        PartContent::Text(text) => json!({"kind": "text", "text": text, "metadata": part.metadata}),
        PartContent::Raw(bytes) => file("bytes", STANDARD.encode(bytes)),
        PartContent::Url(url) => file("uri", url.clone()),
        PartContent::Data(data @ Value::Object(_)) => {
            json!({"kind": "data", "data": data, "metadata": part.metadata})
        }
        // Data is an object in version 0.3.
        PartContent::Data(data) => {
            json!({"kind": "data", "data": {"value": data}, "metadata": part.metadata})
        }
    })
}

fn push_config(config: &TaskPushNotificationConfig) -> Value {
    let authentication = config.authentication.as_ref().map(|authentication| {
        without_null(json!({
            "schemes": [authentication.scheme], "credentials": text(&authentication.credentials),
        }))
    });
    json!({"taskId": config.task_id, "pushNotificationConfig": without_null(json!({
        "id": text(&config.id), "url": config.url, "token": text(&config.token),
        "authentication": authentication,
    }))})
}

fn text(text: &str) -> Option<&str> {
    (!text.is_empty()).then_some(text)
}

fn list<T>(items: &[T], write: impl Fn(&T) -> Value) -> Option<Vec<Value>> {
    (!items.is_empty()).then(|| items.iter().map(write).collect())
}

/// The object without its members that are `null`, which stand for absent ones.
fn without_null(mut object: Value) -> Value {
    if let Value::Object(members) = &mut object {
        members.retain(|_, value| !value.is_null());
    }
    object
}
