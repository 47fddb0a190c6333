//! Holds a task with its status, artifacts and history.

use serde::Serialize;

use super::{Artifact, ID_BYTES_MAX, Message, TaskState};
use crate::proto_json::{FieldViolation, Fields, FromProtoJson, Struct, Timestamp, deserialize_by_reading};

/// Artifacts of one task that are read.
pub const ARTIFACTS_MAX: usize = 1024;
/// Messages of one task's history that are read.
pub const HISTORY_MAX: usize = 4096;

/// The unit of work of A2A.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Task {
    pub id: String,
    pub context_id: String,
    pub status: TaskStatus,
    /// Absent where a list was asked for without artifacts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub artifacts: Option<Vec<Artifact>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub history: Vec<Message>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Struct>,
}

/// The state of a task, with what the agent said about it.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TaskStatus {
    pub state: TaskState,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<Message>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timestamp: Option<Timestamp>,
}

impl Task {
    /// Keeps at most so many of the newest messages of the history: none for zero, all for `None`.
    pub fn truncate_history(&mut self, length: Option<u32>) {
        let Some(length) = length.and_then(|length| usize::try_from(length).ok()) else { return };
        let surplus = self.history.len().saturating_sub(length);
        self.history.drain(..surplus);
    }
}

impl FromProtoJson for Task {
    fn read(fields: &Fields<'_>) -> Result<Self, FieldViolation> {
        let has_artifacts = fields.get("artifacts")?.is_some();
        let artifacts = fields.messages("artifacts", ARTIFACTS_MAX)?;
        Ok(Self {
            id: fields.required_id("id", ID_BYTES_MAX)?,
            context_id: fields.optional_id("contextId", ID_BYTES_MAX)?.unwrap_or_default(),
            status: fields.required_message("status")?,
            artifacts: has_artifacts.then_some(artifacts),
            history: fields.messages("history", HISTORY_MAX)?,
            metadata: fields.object("metadata")?,
        })
    }
}

impl FromProtoJson for TaskStatus {
    fn read(fields: &Fields<'_>) -> Result<Self, FieldViolation> {
        Ok(Self {
            state: fields.required_choice("state")?,
            message: fields.message("message")?,
            timestamp: fields.timestamp("timestamp")?,
        })
    }
}

deserialize_by_reading!(Task, TaskStatus);
