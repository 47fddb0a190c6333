//! Converts rows to tasks and their changes. A row that cannot be converted was not written by this
//! program.

use protocol::Did;
use protocol::envelope::MessageId;
use sqlx::{FromRow, SqliteConnection};

use super::{StoreError, UnixMillis};
use crate::model::TaskState;
use crate::proto_json::{ProtoEnum as _, Timestamp};
use crate::task_machine::{Change, TaskHead, TaskView};

/// A stored task without its changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskRecord {
    /// Identifies the row.
    pub number: i64,
    pub id: MessageId,
    pub caller: String,
    pub agent: Did,
    pub context: String,
    pub head: TaskHead,
    pub status_at: UnixMillis,
    pub created_at: UnixMillis,
}

/// One change of a task, with its number within the task and its time.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredChange {
    pub number: u32,
    pub change: Change,
    pub at: Timestamp,
}

impl TaskRecord {
    /// The view before the first change.
    #[must_use]
    pub fn empty_view(&self) -> TaskView {
        let created = Timestamp::from_unix_millis(self.created_at);
        TaskView::new(self.id.to_string(), self.context.clone(), created)
    }
}

#[derive(Debug, FromRow)]
pub(super) struct TaskRow {
    number: i64,
    id: String,
    caller: String,
    agent: String,
    context: String,
    state: String,
    status_at: i64,
    created_at: i64,
    revision: i64,
    changes: u32,
    bytes: i64,
    cancel_requested: bool,
}

#[derive(Debug, FromRow)]
pub(super) struct ChangeRow {
    number: u32,
    body: String,
    at: i64,
}

impl TaskRow {
    pub(super) fn into_record(self) -> Result<TaskRecord, StoreError> {
        let state = TaskState::VALUES.iter().find(|(_, name, _)| *name == self.state);
        Ok(TaskRecord {
            number: self.number,
            id: self.id.parse().map_err(|_| StoreError::Row("task id"))?,
            caller: self.caller,
            agent: self.agent.parse().map_err(|_| StoreError::Row("agent of a task"))?,
            context: self.context,
            head: TaskHead {
                state: state.map(|(state, ..)| *state).ok_or(StoreError::Row("state of a task"))?,
                revision: self.revision.cast_unsigned(),
                changes: self.changes,
                bytes: usize::try_from(self.bytes).unwrap_or_default(),
                cancel_requested: self.cancel_requested,
            },
            status_at: self.status_at,
            created_at: self.created_at,
        })
    }
}

impl ChangeRow {
    pub(super) fn into_change(self) -> Result<StoredChange, StoreError> {
        let change = serde_json::from_str(&self.body).map_err(|_| StoreError::Row("change"))?;
        Ok(StoredChange { number: self.number, change, at: Timestamp::from_unix_millis(self.at) })
    }
}

pub(super) const fn kind(change: &Change) -> &'static str {
    match change {
        Change::Message(_) => "message",
        Change::Status(_) => "status",
        Change::Artifact(_) => "artifact",
        Change::Answer(_) => "answer",
    }
}

pub(super) async fn by_number(on: &mut SqliteConnection, number: i64) -> Result<TaskRecord, StoreError> {
    let row: TaskRow =
        sqlx::query_as("select * from tasks where number = ?").bind(number).fetch_one(on).await?;
    row.into_record()
}
