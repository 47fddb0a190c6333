//! `cancel_task`: asks the worker of a task to stop.

use protocol::limits::DID_BYTES_MAX;
use protocol::task::{Cancel, NOTE_BYTES_MAX, TaskMessage};
use schemars::JsonSchema;
use serde::Deserialize;

use super::hints::Hints;
use super::task_exchange::{self, TaskReference};
use super::toolbox::{Tool, Toolbox};
use crate::scope::Scope;
use crate::tasks::{Task, rules};
use crate::tool_error::ToolError;
use crate::view::TaskView;

pub(super) struct CancelTask;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CancelTaskArguments {
    /// The id from submit_task or list_tasks.
    #[schemars(length(min = 36, max = 36))]
    id: String,
    /// The other agent; only needed when two tasks have the same id.
    #[schemars(length(min = 1, max = DID_BYTES_MAX))]
    with: Option<String>,
    /// Why, in a sentence.
    #[schemars(length(max = NOTE_BYTES_MAX))]
    note: Option<String>,
}

impl Tool for CancelTask {
    const NAME: &'static str = "cancel_task";
    const TITLE: &'static str = "Cancel a task";
    const DESCRIPTION: &'static str = "Asks the worker of a task that this agent gave to stop. The worker decides how the task \
        ends: follow it with get_task_status. A second call for the same task sends nothing.";
    const HINTS: Hints = Hints::Stops;
    const SCOPE: Scope = Scope::Tasks;
    type Arguments = CancelTaskArguments;
    type Answer = TaskView;

    async fn call(toolbox: &Toolbox, arguments: CancelTaskArguments) -> Result<TaskView, ToolError> {
        let task = TaskReference { id: arguments.id, with: arguments.with }.find(toolbox).await?;
        rules::cancel(&task, None).map_err(ToolError::TaskRule)?;
        if task.cancel_requested {
            return task_exchange::show(toolbox, &task, false).await;
        }
        let note = arguments.note;
        let decide = move |task: &Task| {
            let transition = rules::cancel(task, note.clone()).map_err(ToolError::TaskRule)?;
            Ok((transition, TaskMessage::Cancel(Cancel { task: task.id, note })))
        };
        let task = task_exchange::send_about_task(toolbox, &task, decide).await?;
        task_exchange::show(toolbox, &task, false).await
    }
}
