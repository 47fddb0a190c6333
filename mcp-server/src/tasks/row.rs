//! A task and its messages as rows, and back. What cannot be read back was not written by this program.

use protocol::task::State;
use serde_json::Value;
use sqlx::FromRow;

use super::{Entry, Kind, Role, Said, Task};
use crate::store::StoreError;

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
    pub(super) fn into_task(self) -> Result<Task, StoreError> {
        Ok(Task {
            number: self.number,
            role: if self.given { Role::Giver } else { Role::Worker },
            peer: self.peer.parse().map_err(|_| StoreError::Row("agent of a task"))?,
            id: self.id.parse().map_err(|_| StoreError::Row("task id"))?,
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
    pub(super) fn into_entry(self) -> Result<Entry, StoreError> {
        let body = self
            .body
            .map(|body| if self.is_text { Ok(Value::String(body)) } else { serde_json::from_str(&body) });
        let said = Said {
            kind: kind_of(&self.kind).ok_or(StoreError::Row("kind of a task's message"))?,
            state: self.state.as_deref().map(state).transpose()?,
            note: self.note,
            body: body.transpose().map_err(|_| StoreError::Row("body of a task's message"))?,
        };
        Ok(Entry {
            number: self.number,
            mine: self.mine,
            message: self.message.parse().map_err(|_| StoreError::Row("id of a task's message"))?,
            said,
            written: self.written.cast_unsigned(),
        })
    }
}

fn state(word: &str) -> Result<State, StoreError> {
    State::ALL.into_iter().find(|state| state.as_str() == word).ok_or(StoreError::Row("state of a task"))
}

const KINDS: [(Kind, &str); 4] =
    [(Kind::Submit, "submit"), (Kind::Status, "status"), (Kind::Input, "input"), (Kind::Cancel, "cancel")];

pub(super) fn kind_word(kind: Kind) -> &'static str {
    KINDS.iter().find(|(known, _)| *known == kind).map_or("status", |(_, word)| word)
}

fn kind_of(word: &str) -> Option<Kind> {
    KINDS.iter().find(|(_, known)| *known == word).map(|(kind, _)| *kind)
}
