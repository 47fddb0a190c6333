//! Defines what an event changes of a task. The changes of a task, in their order, are all that is
//! stored of it, and each is an event of its streams.

use serde::{Deserialize, Serialize};

use crate::model::{Artifact, Message, TaskState};

/// One change of a task.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Change {
    /// The client said something.
    Message(Message),
    Status(StatusChange),
    Artifact(ArtifactChange),
    /// The whole answer of an agent that does not know tasks. A client that still waits for its
    /// first response gets it as a message.
    Answer(Artifact),
}

/// The agent, or the gateway in its place, set a state.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StatusChange {
    #[serde(with = "state_name")]
    pub state: TaskState,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<Message>,
}

/// An artifact is new, replaced or longer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ArtifactChange {
    pub artifact: Artifact,
    pub append: bool,
    pub last: bool,
}

/// What the agent is told, in the transaction of the change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outgoing {
    Submit,
    Input,
    Cancel,
}

impl Change {
    #[must_use]
    pub const fn status(state: TaskState, message: Option<Message>) -> Self {
        Self::Status(StatusChange { state, message })
    }

    /// Its size as it is stored.
    #[must_use]
    pub fn bytes(&self) -> usize {
        serde_json::to_vec(self).map_or(0, |json| json.len())
    }
}

/// States as on the wire of A2A.
mod state_name {
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    use crate::model::TaskState;
    use crate::proto_json::ProtoEnum as _;

    pub(super) fn serialize<S: Serializer>(state: &TaskState, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(state.as_str())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<TaskState, D::Error> {
        let name = String::deserialize(from)?;
        let found = TaskState::VALUES.iter().find(|(_, known, _)| *known == name);
        found.map(|(state, ..)| *state).ok_or_else(|| D::Error::custom("unknown state"))
    }
}
