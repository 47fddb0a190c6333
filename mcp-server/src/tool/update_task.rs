//! `update_task`: says where a task stands that another agent gave to this one.

use protocol::limits::{CONTENT_BYTES_MAX, DID_BYTES_MAX};
use protocol::task::{NOTE_BYTES_MAX, State, TaskMessage};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::conversation::{self, Named};
use super::description::Hints;
use super::{Tool, Toolbox, body};
use crate::tool_error::ToolError;
use crate::scope::Scope;
use crate::tasks::rules::{self, Update};
use crate::view::TaskView;

pub(super) struct UpdateTask;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct UpdateTaskArguments {
    /// The id from list_tasks.
    #[schemars(length(min = 36, max = 36))]
    id: String,
    /// The other agent; only needed when two tasks have the same id.
    #[schemars(length(min = 1, max = DID_BYTES_MAX))]
    with: Option<String>,
    state: Word,
    /// A sentence about it.
    #[schemars(length(max = NOTE_BYTES_MAX))]
    note: Option<String>,
    /// Percent done.
    #[schemars(range(max = 100))]
    progress: Option<u8>,
    /// The result, the question or what went wrong, as text. Give at most one of text and json.
    #[schemars(length(max = CONTENT_BYTES_MAX))]
    text: Option<String>,
    /// The result, the question or what went wrong, as a JSON object.
    json: Option<Map<String, Value>>,
}

/// working: it is being done. input_required: the giver must answer what text or json asks. completed, failed, canceled: it
/// has ended. rejected: it is not taken; only before anything else was said.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Word {
    Working,
    InputRequired,
    Completed,
    Failed,
    Rejected,
    Canceled,
}

impl Tool for UpdateTask {
    const NAME: &'static str = "update_task";
    const TITLE: &'static str = "Report on a task";
    const DESCRIPTION: &'static str = "Tells the giver of a task that was given to this agent where it stands, asks for input, \
        or ends the task with its result. Final states cannot be changed again.";
    const HINTS: Hints = Hints::Sends;
    const SCOPE: Scope = Scope::Tasks;
    type Arguments = UpdateTaskArguments;
    type Answer = TaskView;

    async fn call(toolbox: &Toolbox, arguments: UpdateTaskArguments) -> Result<TaskView, ToolError> {
        let output = match (arguments.text, arguments.json) {
            (None, None) => None,
            (text, json) => Some(body::one_of(text, json)?),
        };
        let task = Named { id: arguments.id, with: arguments.with }.find(toolbox).await?;
        let (state, note, progress) = (arguments.state.into(), arguments.note, arguments.progress);
        let update = Update { state, note, progress, output };
        let (step, status) = rules::update(&task, update).map_err(ToolError::Task)?;
        let task = conversation::say(toolbox, &task, &step, TaskMessage::Status(status)).await?;
        conversation::show(toolbox, &task, false).await
    }
}

impl From<Word> for State {
    fn from(word: Word) -> Self {
        match word {
            Word::Working => Self::Working,
            Word::InputRequired => Self::InputRequired,
            Word::Completed => Self::Completed,
            Word::Failed => Self::Failed,
            Word::Rejected => Self::Rejected,
            Word::Canceled => Self::Canceled,
        }
    }
}
