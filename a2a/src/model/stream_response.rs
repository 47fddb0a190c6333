//! Holds the events of a stream, which are also the bodies of push notifications.

use serde::Serialize;

use super::{Artifact, ID_BYTES_MAX, Message, Task, TaskStatus};
use crate::proto_json::{FieldViolation, Fields, FromProtoJson, Struct, deserialize_by_reading};

/// One event of a stream. Its name on the wire says which.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum StreamResponse {
    Task(Box<Task>),
    Message(Box<Message>),
    StatusUpdate(Box<TaskStatusUpdateEvent>),
    ArtifactUpdate(Box<TaskArtifactUpdateEvent>),
}

/// The status of a task has changed.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TaskStatusUpdateEvent {
    pub task_id: String,
    pub context_id: String,
    pub status: TaskStatus,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Struct>,
}

/// An artifact is new, replaced or longer.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TaskArtifactUpdateEvent {
    pub task_id: String,
    pub context_id: String,
    pub artifact: Artifact,
    /// The parts follow those of the artifact with the same id.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub append: bool,
    /// The artifact is complete.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub last_chunk: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Struct>,
}

impl StreamResponse {
    /// Whether a stream closes after this event: a message, or a task in a terminal state.
    #[must_use]
    pub fn is_last(&self) -> bool {
        match self {
            Self::Message(_) => true,
            Self::Task(task) => task.status.state.is_terminal(),
            Self::StatusUpdate(update) => update.status.state.is_terminal(),
            Self::ArtifactUpdate(_) => false,
        }
    }
}

impl FromProtoJson for StreamResponse {
    fn read(fields: &Fields<'_>) -> Result<Self, FieldViolation> {
        let payloads = [
            fields.message("task")?.map(Box::new).map(Self::Task),
            fields.message("message")?.map(Box::new).map(Self::Message),
            fields.message("statusUpdate")?.map(Box::new).map(Self::StatusUpdate),
            fields.message("artifactUpdate")?.map(Box::new).map(Self::ArtifactUpdate),
        ];
        let mut payloads = payloads.into_iter().flatten();
        match (payloads.next(), payloads.next()) {
            (Some(payload), None) => Ok(payload),
            _ => {
                let problem = "must be exactly one of task, message, statusUpdate, artifactUpdate";
                Err(fields.violation("payload", problem))
            }
        }
    }
}

impl FromProtoJson for TaskStatusUpdateEvent {
    fn read(fields: &Fields<'_>) -> Result<Self, FieldViolation> {
        Ok(Self {
            task_id: fields.required_id("taskId", ID_BYTES_MAX)?,
            context_id: fields.required_id("contextId", ID_BYTES_MAX)?,
            status: fields.required_message("status")?,
            metadata: fields.object("metadata")?,
        })
    }
}

impl FromProtoJson for TaskArtifactUpdateEvent {
    fn read(fields: &Fields<'_>) -> Result<Self, FieldViolation> {
        Ok(Self {
            task_id: fields.required_id("taskId", ID_BYTES_MAX)?,
            context_id: fields.required_id("contextId", ID_BYTES_MAX)?,
            artifact: fields.required_message("artifact")?,
            append: fields.flag("append")?,
            last_chunk: fields.flag("lastChunk")?,
            metadata: fields.object("metadata")?,
        })
    }
}

deserialize_by_reading!(StreamResponse, TaskStatusUpdateEvent, TaskArtifactUpdateEvent);
