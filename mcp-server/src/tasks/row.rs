//! Converts rows to tasks and their entries. A row that cannot be converted was not written by this
//! program.

use protocol::task::State;
use serde_json::Value;
use sqlx::FromRow;

use super::task::{EntryContent, EntryKind, Task, TaskEntry, TaskRole};
use crate::database::DatabaseError;

#[derive(Debug, FromRow)]
pub(super) struct TaskRow {
    number: i64,
    given: bool,
    peer: String,
    id: String,
    title: Option<String>,
    state: String,
    revision: i64,
    progress: Option<i64>,
    cancel_requested: bool,
    change: i64,
    created: i64,
    updated: i64,
}

#[derive(Debug, FromRow)]
pub(super) struct EntryRow {
    number: i64,
    mine: bool,
    message: String,
    kind: String,
    state: Option<String>,
    note: Option<String>,
    is_text: bool,
    body: Option<String>,
    written: i64,
}

impl TaskRow {
    pub(super) fn into_task(self) -> Result<Task, DatabaseError> {
        Ok(Task {
            number: self.number,
            role: if self.given { TaskRole::Giver } else { TaskRole::Worker },
            peer: self.peer.parse().map_err(|_| DatabaseError::Row("agent of a task"))?,
            id: self.id.parse().map_err(|_| DatabaseError::Row("task id"))?,
            title: self.title,
            state: state(&self.state)?,
            revision: self.revision.cast_unsigned(),
            progress: self.progress.and_then(|percent| u8::try_from(percent).ok()),
            cancel_requested: self.cancel_requested,
            change: self.change,
            created: self.created.cast_unsigned(),
            updated: self.updated.cast_unsigned(),
        })
    }
}

impl EntryRow {
    pub(super) fn into_entry(self) -> Result<TaskEntry, DatabaseError> {
        let body = self
            .body
            .map(|body| if self.is_text { Ok(Value::String(body)) } else { serde_json::from_str(&body) });
        let content = EntryContent {
            kind: entry_kind(&self.kind)?,
            state: self.state.as_deref().map(state).transpose()?,
            note: self.note,
            body: body.transpose().map_err(|_| DatabaseError::Row("body of a task's message"))?,
        };
        Ok(TaskEntry {
            number: self.number,
            mine: self.mine,
            message: self.message.parse().map_err(|_| DatabaseError::Row("id of a task's message"))?,
            content,
            written: self.written.cast_unsigned(),
        })
    }
}

pub(super) fn state(name: &str) -> Result<State, DatabaseError> {
    let found = State::ALL.into_iter().find(|state| state.as_str() == name);
    found.ok_or(DatabaseError::Row("state of a task"))
}

fn entry_kind(name: &str) -> Result<EntryKind, DatabaseError> {
    let found = EntryKind::ALL.into_iter().find(|kind| kind.as_str() == name);
    found.ok_or(DatabaseError::Row("kind of a task's message"))
}
