//! `send_task_input`: answers a question of a task's worker, or sends it more input.

use protocol::limits::{CONTENT_BYTES_MAX, DID_BYTES_MAX};
use protocol::task::{Input, TaskMessage};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::hints::Hints;
use super::task_exchange::{self, TaskReference};
use super::toolbox::{Tool, Toolbox};
use super::{content, wait};
use crate::scope::Scope;
use crate::tasks::{Task, rules};
use crate::tool_error::ToolError;
use crate::view::TaskView;

pub(super) struct SendTaskInput;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SendTaskInputArguments {
    /// The id from submit_task or list_tasks.
    #[schemars(length(min = 36, max = 36))]
    id: String,
    /// The other agent; only needed when two tasks have the same id.
    #[schemars(length(min = 1, max = DID_BYTES_MAX))]
    with: Option<String>,
    /// The input as text. Give either text or json.
    #[schemars(length(max = CONTENT_BYTES_MAX))]
    text: Option<String>,
    /// The input as a JSON object. Give either text or json.
    json: Option<Map<String, Value>>,
    /// How long to wait for the worker's next status.
    #[schemars(range(min = 1, max = wait::MAX_WAIT_TIMEOUT_SECONDS))]
    wait_seconds: Option<u64>,
}

impl Tool for SendTaskInput {
    const NAME: &'static str = "send_task_input";
    const TITLE: &'static str = "Give input to a task";
    const DESCRIPTION: &'static str = "Sends input to the worker of a task that this agent gave: the answer to its question, or more about the task.";
    const HINTS: Hints = Hints::Sends;
    const SCOPE: Scope = Scope::Tasks;
    type Arguments = SendTaskInputArguments;
    type Answer = TaskView;

    async fn call(toolbox: &Toolbox, arguments: SendTaskInputArguments) -> Result<TaskView, ToolError> {
        let wait = wait::parse_seconds(arguments.wait_seconds)?;
        let input = content::text_or_json(arguments.text, arguments.json)?;
        let task = TaskReference { id: arguments.id, with: arguments.with }.find(toolbox).await?;
        let decide = move |task: &Task| {
            let transition = rules::give_input(task, input.clone()).map_err(ToolError::TaskRule)?;
            Ok((transition, TaskMessage::Input(Input { task: task.id, input })))
        };
        let mut task = task_exchange::send_about_task(toolbox, &task, decide).await?;
        let mut timed_out = false;
        if let Some(wait) = wait {
            let revision = task.revision;
            let next = |task: &Task| task.revision > revision;
            let answered = task_exchange::wait_for_task(toolbox, task.id, &task.peer, wait, next).await?;
            timed_out = answered.is_none();
            task = answered.unwrap_or(task);
        }
        task_exchange::show(toolbox, &task, timed_out).await
    }
}
