//! What the task tools share: finding a task, saying something about it, waiting for it, showing it.

use std::time::Duration;

use protocol::Did;
use protocol::Reason;
use protocol::envelope::{Content, MessageId, MessageType};
use protocol::limits::DID_BYTES_MAX;
use protocol::task::{State, TaskMessage};
use schemars::JsonSchema;
use serde::Deserialize;

use super::{Toolbox, address, body, wait};
use crate::change_feed::Change;
use crate::clock;
use crate::network::Outgoing;
use crate::tool_error::ToolError;
use crate::tasks::Task;
use crate::tasks::rules::Step;
use crate::view::{MESSAGES_SHOWN, TaskView};

/// Which task a caller means. Not flattened into arguments, whose unknown members are refused.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
pub(super) struct Named {
    pub(super) id: String,
    #[schemars(length(min = 1, max = DID_BYTES_MAX))]
    pub(super) with: Option<String>,
}

impl Named {
    pub(super) async fn find(&self, toolbox: &Toolbox) -> Result<Task, ToolError> {
        let id: MessageId = self.id.parse().map_err(|_| ToolError::TaskId)?;
        let me = toolbox.network.me().did;
        let with = self.with.as_deref().map(|with| address::resolve(with, &me)).transpose()?;
        toolbox.store.tasks.find(id, with.as_ref()).await.map_err(ToolError::FindTask)
    }
}

/// A task's content, within the limits.
pub(super) fn content(message: TaskMessage) -> Result<Content, ToolError> {
    body::checked(message.checked().map_err(ToolError::TaskBody)?.to_content())
}

/// Writes down what this agent says, sends it, and takes it back when it was not sent.
pub(super) async fn say(
    toolbox: &Toolbox,
    task: &Task,
    step: &Step,
    message: TaskMessage,
) -> Result<Task, ToolError> {
    let content = content(message)?;
    let (tasks, id) = (&toolbox.store.tasks, clock::new_message_id());
    let said = tasks.say(task, step, id, clock::now()).await.map_err(ToolError::Database)?;
    let said = said.ok_or(ToolError::TasksFull)?;
    let outgoing = Outgoing {
        to: task.peer.clone(),
        id: Some(id),
        kind: MessageType::Event,
        content,
        thread: Some(task.id.to_string()),
        re: Some(task.id),
    };
    let sent = send(toolbox, outgoing).await;
    if let Err(refusal) = &sent
        && !refusal.is_uncertain()
    {
        tasks.take_back(task, id).await.map_err(ToolError::Database)?;
    }
    toolbox.store.changes.publish(Change::TaskChanged { id: task.id });
    sent.map(|()| said)
}

/// Sends; when it stays unknown whether the relay took it, once more under the same id, which the relay takes once.
pub(super) async fn send(toolbox: &Toolbox, message: Outgoing) -> Result<(), ToolError> {
    let again = message.clone();
    match toolbox.network.send(message).await {
        Err(refusal) if refusal.is_uncertain() => match toolbox.network.send(again).await {
            Ok(_) | Err(ToolError::Relay { reason: Reason::DuplicateId, .. }) => Ok(()),
            Err(_) => Err(refusal),
        },
        sent => sent.map(drop),
    }
}

/// Waits until the task satisfies `done`; `None` when the time is over first.
pub(super) async fn until(
    toolbox: &Toolbox,
    id: MessageId,
    peer: &Did,
    wait: Duration,
    done: impl Fn(&Task) -> bool,
) -> Result<Option<Task>, ToolError> {
    let mut patience = wait::ChangeWait::new(toolbox.store.changes.subscribe(), wait);
    toolbox.network.refresh().await;
    loop {
        let task = toolbox.store.tasks.find(id, Some(peer)).await.map_err(ToolError::FindTask)?;
        if done(&task) {
            return Ok(Some(task));
        }
        if !patience.next_change().await {
            return Ok(None);
        }
    }
}

/// Whether the giver has something to look at: an end, or a question.
pub(super) fn needs_the_giver(task: &Task) -> bool {
    task.state.is_final() || task.state == State::InputRequired
}

pub(super) async fn show(toolbox: &Toolbox, task: &Task, timed_out: bool) -> Result<TaskView, ToolError> {
    let entries = toolbox.store.tasks.entries(task, MESSAGES_SHOWN).await.map_err(ToolError::Database)?;
    Ok(TaskView::of(task, &entries, timed_out))
}
