//! Takes messages of agents: what they say about tasks is stored before it is acknowledged.

use std::time::Duration;

use protocol::Did;
use protocol::envelope::{Content, MessageId, MessageType};
use protocol::task::TaskMessage;

use super::TaskGateway;
use crate::agent_message;
use crate::clock;
use crate::store::{ApplyError, StoreError};
use crate::task_machine::TaskEvent;

/// How often a failed operation of the database is repeated. Until it succeeds, no further message
/// is taken from the relay.
const RETRY_INTERVAL: Duration = Duration::from_secs(2);

/// A message of an agent, verified and decrypted.
#[derive(Debug, Clone)]
pub struct AgentMessage {
    pub from: Did,
    pub id: MessageId,
    pub kind: MessageType,
    /// The message that it answers.
    pub re: Option<MessageId>,
    pub content: Content,
}

/// What became of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// It changed its task.
    Changed,
    /// Its task has ended, or the message is a repetition.
    Ignored(&'static str),
    /// It is about no task of this gateway.
    Foreign,
}

impl TaskGateway {
    /// Stores what a message changes. Repeats until the database accepts it.
    pub async fn receive(&self, message: AgentMessage) -> Taken {
        let from = message.from.clone();
        let Some((task, event)) = meaning(message) else { return Taken::Foreign };
        loop {
            match self.take(&from, task, event.clone()).await {
                Ok(taken) => return taken,
                Err(error) => {
                    let error = daemon::error_chain(&error);
                    tracing::error!(error, "a message of an agent cannot be stored and waits; retrying");
                    tokio::time::sleep(RETRY_INTERVAL).await;
                }
            }
        }
    }

    /// Ends a task whose first message nobody will process.
    pub async fn fail(&self, agent: &Did, task: MessageId, why: &str) -> Taken {
        let event = agent_message::failure(clock::new_message_id(), why);
        self.take(agent, task, event).await.unwrap_or_else(|error| {
            tracing::error!(error = daemon::error_chain(&error), "cannot store the end of a task");
            Taken::Foreign
        })
    }

    async fn take(&self, from: &Did, task: MessageId, event: TaskEvent) -> Result<Taken, StoreError> {
        let Some(record) = self.store().find_given(from, task).await? else { return Ok(Taken::Foreign) };
        let cancel = agent_message::cancel(record.id);
        let outgoing = Some((clock::new_message_id(), &cancel));
        match self.store().apply(record.number, event, outgoing, clock::now()).await {
            Ok(record) => {
                self.publish(&record);
                Ok(Taken::Changed)
            }
            Err(ApplyError::Refused(refusal)) => Ok(Taken::Ignored(refusal.reason())),
            Err(ApplyError::Store(error)) => Err(error),
        }
    }

    /// Fails silent tasks and deletes old ones.
    ///
    /// # Errors
    /// The database failed.
    pub async fn expire(&self) -> Result<(), StoreError> {
        let why = agent_message::failure(clock::new_message_id(), "the agent was silent for too long");
        for task in self.store().expire(&why, clock::now()).await? {
            self.0.feed.publish(task);
            self.0.notifications.notify_one();
        }
        Ok(())
    }
}

/// The task that a message is about, and what it means for it.
fn meaning(message: AgentMessage) -> Option<(MessageId, TaskEvent)> {
    let AgentMessage { id, kind, re, content, .. } = message;
    match (TaskMessage::from_content(&content), kind, re) {
        (Some(Ok(said)), ..) => {
            let task = match &said {
                TaskMessage::Status(status) => status.task,
                TaskMessage::Artifact(artifact) => artifact.task,
                TaskMessage::Submit(_) | TaskMessage::Input(_) | TaskMessage::Cancel(_) => return None,
            };
            Some((task, agent_message::event(id, said)?))
        }
        (Some(Err(_)), ..) => None,
        (None, MessageType::Response, Some(re)) => {
            Some((re, agent_message::answer_event(id, false, content)))
        }
        (None, MessageType::Error, Some(re)) => Some((re, agent_message::answer_event(id, true, content))),
        (None, ..) => None,
    }
}
