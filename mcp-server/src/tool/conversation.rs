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
use crate::changes::Change;
use crate::clock;
use crate::network::Outgoing;
use crate::refusal::Refusal;
use crate::tasks::Task;
use crate::tasks::rules::Step;
use crate::view::{MESSAGES_SHOWN, TaskReading};

/// Which task a caller means. Not flattened into arguments, whose unknown members are refused.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
pub(super) struct Named {
    pub(super) id: String,
    #[schemars(length(min = 1, max = DID_BYTES_MAX))]
    pub(super) with: Option<String>,
}

impl Named {
    pub(super) async fn find(&self, toolbox: &Toolbox) -> Result<Task, Refusal> {
        let id: MessageId = self.id.parse().map_err(|_| Refusal::TaskId)?;
        let me = toolbox.network.me().did;
        let with = self.with.as_deref().map(|with| address::resolve(with, &me)).transpose()?;
        toolbox.mailbox.tasks.find(id, with.as_ref()).await.map_err(Refusal::FindTask)
    }
}

/// A task's content, within the limits.
pub(super) fn content(message: TaskMessage) -> Result<Content, Refusal> {
    body::checked(message.checked().map_err(Refusal::TaskBody)?.to_content())
}

/// Writes down what this agent says, sends it, and takes it back when it was not sent.
pub(super) async fn say(
    toolbox: &Toolbox,
    task: &Task,
    step: &Step,
    message: TaskMessage,
) -> Result<Task, Refusal> {
    let content = content(message)?;
    let (tasks, id) = (&toolbox.mailbox.tasks, clock::message_id());
    let said = tasks.say(task, step, id, clock::now()).await.map_err(Refusal::Store)?;
    let said = said.ok_or(Refusal::TasksFull)?;
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
        tasks.take_back(task, id).await.map_err(Refusal::Store)?;
    }
    toolbox.mailbox.changes.tell(Change::TaskChanged { id: task.id });
    sent.map(|()| said)
}

/// Sends; when it stays unknown whether the relay took it, once more under the same id, which the relay takes once.
pub(super) async fn send(toolbox: &Toolbox, message: Outgoing) -> Result<(), Refusal> {
    let again = message.clone();
    match toolbox.network.send(message).await {
        Err(refusal) if refusal.is_uncertain() => match toolbox.network.send(again).await {
            Ok(_) | Err(Refusal::Relay { reason: Reason::DuplicateId, .. }) => Ok(()),
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
) -> Result<Option<Task>, Refusal> {
    let mut patience = wait::Patience::new(toolbox.mailbox.changes.listen(), wait);
    toolbox.network.refresh().await;
    loop {
        let task = toolbox.mailbox.tasks.find(id, Some(peer)).await.map_err(Refusal::FindTask)?;
        if done(&task) {
            return Ok(Some(task));
        }
        if !patience.sees_a_change().await {
            return Ok(None);
        }
    }
}

/// Whether the giver has something to look at: an end, or a question.
pub(super) fn needs_the_giver(task: &Task) -> bool {
    task.state.is_final() || task.state == State::InputRequired
}

pub(super) async fn show(toolbox: &Toolbox, task: &Task, timed_out: bool) -> Result<TaskReading, Refusal> {
    let entries = toolbox.mailbox.tasks.entries(task, MESSAGES_SHOWN).await.map_err(Refusal::Store)?;
    Ok(TaskReading::of(task, &entries, timed_out))
}
