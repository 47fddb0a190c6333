//! A task, its entries, and the filters and pages of a listing.

use protocol::envelope::MessageId;
use protocol::task::State;
use protocol::{Did, UnixSeconds};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::database::DatabaseError;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Task {
    /// Counts tasks, and identifies the row.
    pub number: i64,
    pub role: TaskRole,
    /// The other agent.
    pub peer: Did,
    pub id: MessageId,
    /// Written by the giver.
    pub title: Option<String>,
    pub state: State,
    pub revision: u64,
    pub progress: Option<u8>,
    pub cancel_requested: bool,
    /// Grows with every change of any task.
    pub change: i64,
    pub created: UnixSeconds,
    pub updated: UnixSeconds,
}

// The role of this agent in a task. The doc comments of the variants are published in the schemas
// of the tools, where one on the type would replace those of the members.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum TaskRole {
    /// This agent gave the task to `with`.
    Giver,
    /// `with` gave the task to this agent.
    Worker,
}

/// One message of a task.
#[derive(Debug, Clone, PartialEq)]
pub struct TaskEntry {
    /// From 1.
    pub number: i64,
    /// Written by this agent.
    pub mine: bool,
    pub message: MessageId,
    pub content: EntryContent,
    pub written: UnixSeconds,
}

#[derive(Debug, Clone, PartialEq)]
pub struct EntryContent {
    pub kind: EntryKind,
    /// The state that a status sets.
    pub state: Option<State>,
    pub note: Option<String>,
    pub body: Option<Value>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum EntryKind {
    Submit,
    Status,
    /// Something that the task produced, or a chunk of it.
    Artifact,
    Input,
    Cancel,
}

impl EntryKind {
    pub(super) const ALL: [Self; 5] = [Self::Submit, Self::Status, Self::Artifact, Self::Input, Self::Cancel];

    /// The name in the database, and in the schemas of the tools.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Submit => "submit",
            Self::Status => "status",
            Self::Artifact => "artifact",
            Self::Input => "input",
            Self::Cancel => "cancel",
        }
    }
}

/// Which tasks a listing includes. The default includes all of them.
#[derive(Debug, Clone, Default)]
pub struct TaskFilter {
    pub role: Option<TaskRole>,
    pub peer: Option<Did>,
    /// Only tasks that have not ended.
    pub open: bool,
    pub state: Option<State>,
}

#[derive(Debug)]
pub struct TaskPage {
    pub tasks: Vec<Task>,
    /// Cursor of the next page; absent on the last one.
    pub next: Option<i64>,
}

/// What happened to a message that another agent sent.
#[derive(Debug, PartialEq, Eq)]
pub enum TaskReceiveOutcome {
    /// The message is about a task and changed it.
    Changed(Box<Task>),
    /// The message is about a task and contains nothing new.
    Duplicate,
    /// The message is about no task of this agent, or a limit is reached: it belongs in the inbox.
    NotATask,
}

/// Why a message of this agent about a task was not stored.
#[derive(Debug)]
pub enum OutgoingError<E> {
    Refused(E),
    /// Too many messages wait to be sent.
    Full,
    Database(DatabaseError),
}

impl<E> From<DatabaseError> for OutgoingError<E> {
    fn from(error: DatabaseError) -> Self {
        Self::Database(error)
    }
}

#[derive(Debug, thiserror::Error)]
pub enum FindTaskError {
    #[error("there is no such task here")]
    Absent,
    #[error("several tasks have this id; name the other agent in `with`")]
    Ambiguous,
    #[error("failed to look for the task")]
    Database(#[source] DatabaseError),
}
