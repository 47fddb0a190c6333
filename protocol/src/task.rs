//! Builds and parses the messages of tasks: work that one agent gives to another.
//!
//! A task is a conversation of ordinary messages. Its id is the id of the message that submits it;
//! together with the giver's DID it is unique. Only the worker changes the state. The giver may
//! send input and may ask to cancel. [`State`] says which state may follow which. The protocol is
//! section 7 of `docs/protocol.md`.
//!
//! ```
//! use msg2agent_protocol::envelope::MessageId;
//! use msg2agent_protocol::task::{State, Status, Submit, TaskMessage};
//! use serde_json::json;
//!
//! let submit = TaskMessage::Submit(Submit { title: Some("Add".into()), input: json!([1, 2]) });
//! let content = submit.to_content();
//! assert_eq!(content.method.as_deref(), Some("task.submit"));
//!
//! // The worker answers with the id of the message that submitted the task.
//! let task = MessageId::new(1_790_000_000, rand::random());
//! let status = TaskMessage::Status(Status {
//!     task,
//!     revision: 1,
//!     state: State::Completed,
//!     note: None,
//!     progress: Some(100),
//!     output: Some(json!(3)),
//! });
//! let received = TaskMessage::from_content(&status.to_content()).ok_or("not about a task")??;
//! assert_eq!(received, status);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::envelope::{Content, MessageId};
use crate::strict_json;

mod artifact;
mod state;

pub use artifact::{
    ARTIFACT_ID_BYTES_MAX, Artifact, FILE_NAME_BYTES_MAX, MEDIA_TYPE_BYTES_MAX, PARTS_MAX, Part, PartContent,
};
pub use state::State;

/// Bytes of a task's title: one line in a list.
pub const TITLE_BYTES_MAX: usize = 200;
/// Bytes of a note: a sentence or two about a state. Results and questions go into `output`.
pub const NOTE_BYTES_MAX: usize = 1000;

/// The [`Content::method`] of each message.
pub mod method {
    pub const SUBMIT: &str = "task.submit";
    pub const STATUS: &str = "task.status";
    pub const ARTIFACT: &str = "task.artifact";
    pub const INPUT: &str = "task.input";
    pub const CANCEL: &str = "task.cancel";
}

/// From giver to worker: a reliable message of type `request`. Its message id is the id of the
/// task.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Submit {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// What is to be done: a text or any JSON.
    #[serde(deserialize_with = "strict_json::value")]
    pub input: Value,
}

/// From worker to giver: a reliable message of type `event`, or of type `response` with `re` set to
/// the task.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Status {
    pub task: MessageId,
    /// Starts at 1 and counts up with each status and artifact of the task. The giver ignores one
    /// that is not higher.
    pub revision: u64,
    #[serde(deserialize_with = "strict_json::unit_enum")]
    pub state: State,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Percent done, 0 to 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress: Option<u8>,
    #[serde(
        default,
        deserialize_with = "strict_json::optional_value",
        skip_serializing_if = "Option::is_none"
    )]
    /// The result of a completed task, the question of one that needs input, where to sign in for
    /// one that needs that, or the error of a failed one.
    pub output: Option<Value>,
}

/// From giver to worker: a reliable `event` with an answer to a question, or with more about an
/// open task.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Input {
    pub task: MessageId,
    #[serde(deserialize_with = "strict_json::value")]
    pub input: Value,
}

/// From giver to worker: a reliable `event` that asks to cancel the task. The worker ends the task
/// with a status; it may also report that the task was completed before.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cancel {
    pub task: MessageId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// Any message about a task.
#[derive(Debug, Clone, PartialEq)]
pub enum TaskMessage {
    Submit(Submit),
    Status(Status),
    Artifact(Artifact),
    Input(Input),
    Cancel(Cancel),
}

/// Why a message about a task was refused.
#[derive(Debug, thiserror::Error)]
pub enum TaskError {
    #[error("there is no task method `{0}`")]
    Method(String),
    #[error("the body does not have the shape of `{0}`")]
    Shape(&'static str, #[source] serde_json::Error),
    #[error("a title has at most {TITLE_BYTES_MAX} bytes")]
    Title,
    #[error("a note has at most {NOTE_BYTES_MAX} bytes")]
    Note,
    #[error("progress is a percentage from 0 to 100")]
    Progress,
    #[error("an artifact's id has 1 to {ARTIFACT_ID_BYTES_MAX} bytes")]
    ArtifactId,
    #[error("a message about an artifact has 1 to {PARTS_MAX} parts")]
    Parts,
    #[error("a media type has at most {MEDIA_TYPE_BYTES_MAX} bytes and a file name {FILE_NAME_BYTES_MAX}")]
    PartLabel,
}

impl TaskMessage {
    /// The content to send.
    #[must_use]
    pub fn to_content(&self) -> Content {
        // These types always serialize: they have string keys only and no serializer that fails.
        let body = |value: serde_json::Result<Value>| Content::json(value.unwrap_or_default());
        match self {
            Self::Submit(it) => body(serde_json::to_value(it)).with_method(method::SUBMIT),
            Self::Status(it) => body(serde_json::to_value(it)).with_method(method::STATUS),
            Self::Artifact(it) => body(serde_json::to_value(it)).with_method(method::ARTIFACT),
            Self::Input(it) => body(serde_json::to_value(it)).with_method(method::INPUT),
            Self::Cancel(it) => body(serde_json::to_value(it)).with_method(method::CANCEL),
        }
    }

    /// Reads a content. `None` means that its method does not start with `task.`.
    ///
    /// # Errors
    /// The method does not exist, or the body has another shape or exceeds a limit.
    pub fn from_content(content: &Content) -> Option<Result<Self, TaskError>> {
        let name = content.method.as_deref().filter(|method| method.starts_with("task."))?;
        Some(Self::read(name, &content.content).and_then(Self::checked))
    }

    fn read(name: &str, body: &Value) -> Result<Self, TaskError> {
        match name {
            method::SUBMIT => shape(body, method::SUBMIT).map(Self::Submit),
            method::STATUS => shape(body, method::STATUS).map(Self::Status),
            method::ARTIFACT => shape(body, method::ARTIFACT).map(Self::Artifact),
            method::INPUT => shape(body, method::INPUT).map(Self::Input),
            method::CANCEL => shape(body, method::CANCEL).map(Self::Cancel),
            other => Err(TaskError::Method(other.to_owned())),
        }
    }

    /// Checks the limits. They hold for messages that are sent and for messages that are received.
    ///
    /// # Errors
    /// The title, the note, the progress or a member of an artifact exceeds its limit.
    pub fn checked(self) -> Result<Self, TaskError> {
        let (title, note, progress) = match &self {
            Self::Artifact(it) => return it.check().map(|()| self),
            Self::Submit(it) => (it.title.as_deref(), None, None),
            Self::Status(it) => (None, it.note.as_deref(), it.progress),
            Self::Input(_) => (None, None, None),
            Self::Cancel(it) => (None, it.note.as_deref(), None),
        };
        if title.is_some_and(|title| title.len() > TITLE_BYTES_MAX) {
            return Err(TaskError::Title);
        }
        if note.is_some_and(|note| note.len() > NOTE_BYTES_MAX) {
            return Err(TaskError::Note);
        }
        if progress.is_some_and(|percent| percent > 100) {
            return Err(TaskError::Progress);
        }
        Ok(self)
    }
}

/// Reads a body from an object only, because serde also reads a structure from a list.
fn shape<'de, T: Deserialize<'de>>(body: &'de Value, name: &'static str) -> Result<T, TaskError> {
    strict_json::object(body).map_err(|source| TaskError::Shape(name, source))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(method: &str, body: Value) -> Result<TaskMessage, TaskError> {
        TaskMessage::from_content(&Content::json(body).with_method(method)).unwrap()
    }

    const TASK: &str = "01a1c8e0-1c00-7707-8707-070707070707";

    #[test]
    fn every_body_is_read_as_it_was_written() {
        let task = TASK.parse().unwrap();
        for message in [
            TaskMessage::Submit(Submit { title: Some("sum".into()), input: json!([1, 2]) }),
            TaskMessage::Status(Status {
                task,
                revision: 3,
                state: State::InputRequired,
                note: Some("stuck".into()),
                progress: Some(40),
                output: Some(json!("which one?")),
            }),
            TaskMessage::Input(Input { task, input: json!("the first") }),
            TaskMessage::Cancel(Cancel { task, note: None }),
        ] {
            let read = TaskMessage::from_content(&message.to_content()).unwrap().unwrap();
            assert_eq!(read, message);
        }
    }

    #[test]
    fn a_content_about_something_else_is_no_task_message() {
        assert!(TaskMessage::from_content(&Content::text("hi")).is_none());
        assert!(TaskMessage::from_content(&Content::text("hi").with_method("plan.create")).is_none());
    }

    #[test]
    fn what_does_not_fit_is_refused_by_name() {
        assert!(matches!(read("task.pause", json!({})), Err(TaskError::Method(_))));
        assert!(matches!(read(method::SUBMIT, json!(["title", 1])), Err(TaskError::Shape(..))));
        assert!(matches!(read(method::SUBMIT, json!({"input": 1, "x": 2})), Err(TaskError::Shape(..))));
        let long = "x".repeat(TITLE_BYTES_MAX + 1);
        assert!(matches!(read(method::SUBMIT, json!({"title": long, "input": 1})), Err(TaskError::Title)));
        let note = "x".repeat(NOTE_BYTES_MAX + 1);
        assert!(matches!(read(method::CANCEL, json!({"task": TASK, "note": note})), Err(TaskError::Note)));
        let status = json!({"task": TASK, "revision": 1, "state": "working", "progress": 101});
        assert!(matches!(read(method::STATUS, status), Err(TaskError::Progress)));
        let state = json!({"task": TASK, "revision": 1, "state": {"working": null}});
        assert!(matches!(read(method::STATUS, state), Err(TaskError::Shape(..))));
    }
}
