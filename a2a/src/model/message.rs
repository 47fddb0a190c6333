//! Holds one message between a client and an agent.

use serde::Serialize;

use super::{ID_BYTES_MAX, PARTS_MAX, Part, TEXTS_MAX};
use crate::proto_json::{
    FieldViolation, Fields, FromProtoJson, ProtoEnum, Struct, deserialize_by_reading, serialize_by_name,
};

/// Who wrote a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    User,
    Agent,
}

impl Role {
    /// The name on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::User => "ROLE_USER",
            Self::Agent => "ROLE_AGENT",
        }
    }
}

impl ProtoEnum for Role {
    const VALUES: &'static [(Self, &'static str, i64)] =
        &[(Self::User, Self::User.as_str(), 1), (Self::Agent, Self::Agent.as_str(), 2)];
    const UNSPECIFIED: &'static str = "ROLE_UNSPECIFIED";
}

serialize_by_name!(Role);

/// One message. Its writer chooses the message id.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Message {
    pub message_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub context_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub task_id: Option<String>,
    pub role: Role,
    pub parts: Vec<Part>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Struct>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub extensions: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub reference_task_ids: Vec<String>,
}

impl Message {
    /// A message of an agent.
    pub fn of_agent(message_id: impl Into<String>, parts: Vec<Part>) -> Self {
        Self {
            message_id: message_id.into(),
            context_id: None,
            task_id: None,
            role: Role::Agent,
            parts,
            metadata: None,
            extensions: Vec::new(),
            reference_task_ids: Vec::new(),
        }
    }
}

impl FromProtoJson for Message {
    fn read(fields: &Fields<'_>) -> Result<Self, FieldViolation> {
        Ok(Self {
            message_id: fields.required_id("messageId", ID_BYTES_MAX)?,
            context_id: fields.optional_id("contextId", ID_BYTES_MAX)?,
            task_id: fields.optional_id("taskId", ID_BYTES_MAX)?,
            role: fields.required_choice("role")?,
            parts: fields.required_messages("parts", PARTS_MAX)?,
            metadata: fields.object("metadata")?,
            extensions: fields.texts("extensions", TEXTS_MAX)?,
            reference_task_ids: fields.texts("referenceTaskIds", TEXTS_MAX)?,
        })
    }
}

deserialize_by_reading!(Message);
