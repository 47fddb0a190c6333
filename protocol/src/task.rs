//! Tasks: work that one agent gives to another, as a conversation of ordinary messages. The bodies, and which state may
//! follow which. Text: `docs/protocol.md`, section 7.
//!
//! A task is named by the id of the message that submits it; together with the giver's DID that is unique. The worker alone
//! changes the state; the giver may give input and may ask to cancel.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::envelope::{Content, MessageId};
use crate::strict_json;

mod state;

pub use state::State;

/// Bytes of a task's title: a line in a list.
pub const TITLE_BYTES_MAX: usize = 200;
/// Bytes of a note: a sentence or two about a state; results and questions go into `output`.
pub const NOTE_BYTES_MAX: usize = 1000;

/// [`Content::method`] of each body.
pub mod method {
    pub const SUBMIT: &str = "task.submit";
    pub const STATUS: &str = "task.status";
    pub const INPUT: &str = "task.input";
    pub const CANCEL: &str = "task.cancel";
}

/// Giver to worker, a reliable message of type `request`. Its message id is the task's id.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Submit {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// What is to be done: a text, or any JSON.
    #[serde(deserialize_with = "strict_json::value")]
    pub input: Value,
}

/// Worker to giver, a reliable message of type `event`, or of type `response` with `re` = the task.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Status {
    pub task: MessageId,
    /// Counts up from 1 with each status of the task; one that is not above the last is ignored.
    pub revision: u64,
    #[serde(deserialize_with = "strict_json::unit_enum")]
    pub state: State,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Percent done, 0 to 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress: Option<u8>,
    /// The result of a completed task, the question of one that needs input, what went wrong with a failed one.
    #[serde(
        default,
        deserialize_with = "strict_json::optional_value",
        skip_serializing_if = "Option::is_none"
    )]
    pub output: Option<Value>,
}

/// Giver to worker, a reliable `event`: an answer to a question, or more about an open task.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Input {
    pub task: MessageId,
    #[serde(deserialize_with = "strict_json::value")]
    pub input: Value,
}

/// Giver to worker, a reliable `event`: the task is not wanted any more. The worker ends it with a status, which may also
/// say that it was completed before.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cancel {
    pub task: MessageId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// Any of them.
#[derive(Debug, Clone, PartialEq)]
pub enum TaskMessage {
    Submit(Submit),
    Status(Status),
    Input(Input),
    Cancel(Cancel),
}

#[derive(Debug, thiserror::Error)]
pub enum TaskError {
    #[error("there is no task method `{0}`")]
    Method(String),
    #[error("the body is not one of `{0}`")]
    Shape(&'static str, #[source] serde_json::Error),
    #[error("a title has at most {TITLE_BYTES_MAX} bytes")]
    Title,
    #[error("a note has at most {NOTE_BYTES_MAX} bytes")]
    Note,
    #[error("progress is a percentage")]
    Progress,
}

impl TaskMessage {
    /// The content to send.
    #[must_use]
    pub fn to_content(&self) -> Content {
        // These shapes always are JSON: no maps with other keys than strings, no failing serializers.
        let body = |value: serde_json::Result<Value>| Content::json(value.unwrap_or_default());
        match self {
            Self::Submit(it) => body(serde_json::to_value(it)).with_method(method::SUBMIT),
            Self::Status(it) => body(serde_json::to_value(it)).with_method(method::STATUS),
            Self::Input(it) => body(serde_json::to_value(it)).with_method(method::INPUT),
            Self::Cancel(it) => body(serde_json::to_value(it)).with_method(method::CANCEL),
        }
    }

    /// Reads a content; `None` when it is not about a task.
    ///
    /// # Errors
    /// A method `task.*` that does not exist, a body of another shape, or beyond a limit.
    pub fn from_content(content: &Content) -> Option<Result<Self, TaskError>> {
        let name = content.method.as_deref().filter(|method| method.starts_with("task."))?;
        Some(Self::read(name, &content.content).and_then(Self::checked))
    }

    fn read(name: &str, body: &Value) -> Result<Self, TaskError> {
        match name {
            method::SUBMIT => shape(body, method::SUBMIT).map(Self::Submit),
            method::STATUS => shape(body, method::STATUS).map(Self::Status),
            method::INPUT => shape(body, method::INPUT).map(Self::Input),
            method::CANCEL => shape(body, method::CANCEL).map(Self::Cancel),
            other => Err(TaskError::Method(other.to_owned())),
        }
    }

    /// Holds the limits, of what is sent as of what is received.
    ///
    /// # Errors
    /// A title, note or progress beyond its limit.
    pub fn checked(self) -> Result<Self, TaskError> {
        let (title, note, progress) = match &self {
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

/// An object is asked for, because serde reads a structure from a list as well.
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
