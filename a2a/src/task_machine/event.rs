//! Defines what can happen to a task.

use protocol::task::State;

use super::change::ArtifactChange;
use crate::model::{Artifact, Message};

/// Something that happens to a task. A revision is that of the agent's message.
#[derive(Debug, Clone, PartialEq)]
pub enum TaskEvent {
    /// Its client says more.
    Input(Message),
    /// Its client asks to cancel it.
    CancelRequested,
    /// The agent reports a state, perhaps with a message, and the result of a completed task.
    Status { revision: u64, state: State, message: Option<Message>, result: Option<ArtifactChange> },
    /// The agent has produced something.
    Artifact { revision: u64, change: ArtifactChange },
    /// An agent that does not know tasks has answered.
    Answered { answer: Artifact },
    /// Nobody will work on it, or an agent that does not know tasks answered with an error.
    Failed { why: Message },
}

impl TaskEvent {
    pub(super) const fn revision(&self) -> Option<u64> {
        match self {
            Self::Status { revision, .. } | Self::Artifact { revision, .. } => Some(*revision),
            Self::Input(_) | Self::CancelRequested | Self::Answered { .. } | Self::Failed { .. } => None,
        }
    }
}
