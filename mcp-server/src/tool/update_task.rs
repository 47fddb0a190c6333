//! `update_task`: sends the state of a task that another agent gave to this one.

use protocol::limits::{CONTENT_BYTES_MAX, DID_BYTES_MAX};
use protocol::task::{NOTE_BYTES_MAX, State, TaskMessage};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::content;
use super::hints::Hints;
use super::task_exchange::{self, TaskReference};
use super::toolbox::{Tool, Toolbox};
use crate::scope::Scope;
use crate::tasks::Task;
use crate::tasks::rules::{self, StatusUpdate};
use crate::tool_error::ToolError;
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
    state: NewState,
    /// A sentence about the state.
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

/// working: the task is in progress. input_required: the giver must answer the question in text or
/// json. completed, failed, canceled: the task has ended. rejected: this agent declines the task;
/// only possible while it is submitted.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum NewState {
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
    const DESCRIPTION: &'static str = "Sends the state of a task that was given to this agent to its giver, asks for input, \
        or ends the task with its result. Final states cannot be changed again.";
    const HINTS: Hints = Hints::Sends;
    const SCOPE: Scope = Scope::Tasks;
    type Arguments = UpdateTaskArguments;
    type Answer = TaskView;

    async fn call(toolbox: &Toolbox, arguments: UpdateTaskArguments) -> Result<TaskView, ToolError> {
        let output = match (arguments.text, arguments.json) {
            (None, None) => None,
            (text, json) => Some(content::text_or_json(text, json)?),
        };
        let task = TaskReference { id: arguments.id, with: arguments.with }.find(toolbox).await?;
        let (state, note, progress) = (arguments.state.into(), arguments.note, arguments.progress);
        let update = StatusUpdate { state, note, progress, output };
        let decide = move |task: &Task| {
            let (transition, status) = rules::update(task, update).map_err(ToolError::TaskRule)?;
            Ok((transition, TaskMessage::Status(status)))
        };
        let task = task_exchange::send_about_task(toolbox, &task, decide).await?;
        task_exchange::show(toolbox, &task, false).await
    }
}

impl From<NewState> for State {
    fn from(state: NewState) -> Self {
        match state {
            NewState::Working => Self::Working,
            NewState::InputRequired => Self::InputRequired,
            NewState::Completed => Self::Completed,
            NewState::Failed => Self::Failed,
            NewState::Rejected => Self::Rejected,
            NewState::Canceled => Self::Canceled,
        }
    }
}
