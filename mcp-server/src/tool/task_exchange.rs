//! Functions that the task tools share: find a task, send a message about it, wait for it, show it.

use std::time::Duration;

use protocol::Did;
use protocol::envelope::{Content, MessageId};
use protocol::limits::DID_BYTES_MAX;
use protocol::task::TaskMessage;
use schemars::JsonSchema;
use serde::Deserialize;

use super::toolbox::Toolbox;
use super::{agent_reference, content, task_sender, wait};
use crate::change_feed::Change;
use crate::clock;
use crate::network::NetworkError;
use crate::tasks::Task;
use crate::tasks::rules::Transition;
use crate::tool_error::ToolError;
use crate::view::{MESSAGES_SHOWN, TaskView};

/// The task that a caller means. It is not flattened into arguments, because serde could not reject
/// unknown members then.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
pub(super) struct TaskReference {
    pub(super) id: String,
    #[schemars(length(min = 1, max = DID_BYTES_MAX))]
    pub(super) with: Option<String>,
}

impl TaskReference {
    pub(super) async fn find(&self, toolbox: &Toolbox) -> Result<Task, ToolError> {
        let id: MessageId = self.id.parse().map_err(|_| ToolError::TaskId)?;
        let own = toolbox.network.own_agent().did;
        let with = self.with.as_deref().map(|with| agent_reference::resolve(with, &own)).transpose()?;
        toolbox.store.tasks.find(id, with.as_ref()).await.map_err(ToolError::FindTask)
    }
}

/// The content of a task message.
///
/// # Errors
/// The message exceeds a limit.
pub(super) fn task_content(message: TaskMessage) -> Result<Content, ToolError> {
    content::check_size(message.checked().map_err(ToolError::TaskBody)?.to_content())
}

/// Stores a message about a task and sends it. `decide` gets the task as it is stored when its turn
/// has come. A caller that goes away meanwhile does not stop it.
///
/// # Errors
/// `decide` or the relay refused it, which leaves the task as it was; or the relay did not answer,
/// and it is sent later.
pub(super) async fn send_about_task(
    toolbox: &Toolbox,
    task: &Task,
    decide: impl FnOnce(&Task) -> Result<(Transition, TaskMessage), ToolError> + Send + 'static,
) -> Result<Task, ToolError> {
    let (toolbox, number) = (toolbox.clone(), task.number);
    // It ends by itself: both attempts to send have a time limit.
    let sending = tokio::spawn(async move { store_and_send(&toolbox, number, decide).await });
    sending.await.unwrap_or(Err(ToolError::Network(NetworkError::Internal)))
}

async fn store_and_send(
    toolbox: &Toolbox,
    number: i64,
    decide: impl FnOnce(&Task) -> Result<(Transition, TaskMessage), ToolError>,
) -> Result<Task, ToolError> {
    let (tasks, id) = (&toolbox.store.tasks, clock::new_message_id());
    let _turn = tasks.turn(number).await;
    let decide = |task: &Task| {
        let (transition, message) = decide(task)?;
        Ok((transition, task_content(message)?))
    };
    let changed = tasks.record_outgoing(number, id, clock::now(), decide).await?;
    let sent = task_sender::send_unsent(toolbox, number, Some(id)).await;
    toolbox.store.changes.publish(Change::TaskChanged { id: changed.id });
    sent.map(|()| changed)
}

/// Waits until the task satisfies `done`; `None` when the time is over first.
pub(super) async fn wait_for_task(
    toolbox: &Toolbox,
    id: MessageId,
    peer: &Did,
    wait: Duration,
    done: impl Fn(&Task) -> bool,
) -> Result<Option<Task>, ToolError> {
    let mut changes = wait::ChangeWait::new(toolbox.store.changes.subscribe(), wait);
    toolbox.network.ensure_connected().await;
    loop {
        let task = toolbox.store.tasks.find(id, Some(peer)).await.map_err(ToolError::FindTask)?;
        if done(&task) {
            return Ok(Some(task));
        }
        if !changes.next_change().await {
            return Ok(None);
        }
    }
}

/// Whether the task waits for its giver: it has ended, or needs input or a right.
pub(super) fn needs_giver(task: &Task) -> bool {
    task.state.is_final() || task.state.waits_for_giver()
}

pub(super) async fn show(toolbox: &Toolbox, task: &Task, timed_out: bool) -> Result<TaskView, ToolError> {
    let entries = toolbox.store.tasks.entries(task, MESSAGES_SHOWN).await.map_err(ToolError::Database)?;
    Ok(TaskView::from_entries(task, &entries, timed_out))
}
