//! Folds the changes of a task into the task that clients see.

use super::change::{ArtifactChange, Change, StatusChange};
use crate::model::{
    Artifact, Message, StreamResponse, Task, TaskArtifactUpdateEvent, TaskState, TaskStatus,
    TaskStatusUpdateEvent,
};
use crate::proto_json::Timestamp;

/// A task as far as its changes were folded.
#[derive(Debug, Clone, PartialEq)]
pub struct TaskView {
    task: Task,
    artifacts: Vec<Artifact>,
}

impl TaskView {
    /// A task before its first change.
    #[must_use]
    pub fn new(id: String, context_id: String, created: Timestamp) -> Self {
        let status = TaskStatus { state: TaskState::Submitted, message: None, timestamp: Some(created) };
        let task = Task { id, context_id, status, artifacts: None, history: Vec::new(), metadata: None };
        Self { task, artifacts: Vec::new() }
    }

    /// Applies the next change, which was made at `time`.
    pub fn apply(&mut self, change: Change, time: Timestamp) {
        match change {
            // What the agent asked stands before the answer to it.
            Change::Message(message) => {
                self.keep_status_message();
                self.task.history.push(message);
            }
            Change::Status(StatusChange { state, message }) => {
                self.keep_status_message();
                let message = message.map(|message| self.addressed(message));
                self.task.status = TaskStatus { state, message, timestamp: Some(time) };
            }
            Change::Artifact(ArtifactChange { artifact, append, .. }) => self.put(artifact, append),
            Change::Answer(artifact) => self.put(artifact, false),
        }
    }

    /// The event that tells a change to those who have the task already; `None` for what the client
    /// said itself.
    #[must_use]
    pub fn event(&self, change: Change, time: Timestamp) -> Option<StreamResponse> {
        let (task_id, context_id) = (self.task.id.clone(), self.task.context_id.clone());
        let artifact_event = |artifact, append, last_chunk| {
            let (task_id, context_id) = (task_id.clone(), context_id.clone());
            StreamResponse::ArtifactUpdate(Box::new(TaskArtifactUpdateEvent {
                task_id,
                context_id,
                artifact,
                append,
                last_chunk,
                metadata: None,
            }))
        };
        Some(match change {
            Change::Message(_) => return None,
            Change::Status(StatusChange { state, message }) => {
                let message = message.map(|message| self.addressed(message));
                let status = TaskStatus { state, message, timestamp: Some(time) };
                let update = TaskStatusUpdateEvent { task_id, context_id, status, metadata: None };
                StreamResponse::StatusUpdate(Box::new(update))
            }
            Change::Artifact(ArtifactChange { artifact, append, last }) => {
                artifact_event(artifact, append, last)
            }
            Change::Answer(artifact) => artifact_event(artifact, false, true),
        })
    }

    /// The whole answer of an agent as a message, for a client that has not got the task.
    #[must_use]
    pub fn answer_message(&self, answer: Artifact) -> Message {
        let context_id = Some(self.task.context_id.clone());
        Message { context_id, ..Message::of_agent(answer.artifact_id, answer.parts) }
    }

    /// The task, with its artifacts where they are asked for.
    #[must_use]
    pub fn into_task(self, with_artifacts: bool, history_length: Option<u32>) -> Task {
        let mut task = Task { artifacts: with_artifacts.then_some(self.artifacts), ..self.task };
        task.truncate_history(history_length);
        task
    }

    #[must_use]
    pub const fn state(&self) -> TaskState {
        self.task.status.state
    }

    fn put(&mut self, artifact: Artifact, append: bool) {
        let known = self.artifacts.iter_mut().find(|known| known.artifact_id == artifact.artifact_id);
        match known {
            Some(known) if append => known.parts.extend(artifact.parts),
            Some(known) => *known = artifact,
            None => self.artifacts.push(artifact),
        }
    }

    fn keep_status_message(&mut self) {
        self.task.history.extend(self.task.status.message.take());
    }

    /// The message with the ids of its task.
    fn addressed(&self, message: Message) -> Message {
        let (task_id, context_id) = (Some(self.task.id.clone()), Some(self.task.context_id.clone()));
        Message { task_id, context_id, ..message }
    }
}
