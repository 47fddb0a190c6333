//! JSON Schemas of the protocol's types as the tools publish them: plain enumerations of names.

use protocol::envelope::MessageType;
use protocol::frame::SendStatus;
use protocol::task::State;
use schemars::{Schema, SchemaGenerator, json_schema};

pub(super) fn message_type_schema(_generator: &mut SchemaGenerator) -> Schema {
    let names = MessageType::ALL.map(MessageType::as_str);
    json_schema!({"type": "string", "enum": names, "description": "The kind of a message."})
}

pub(crate) fn state_schema(_generator: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "string", "enum": State::ALL.map(State::as_str)})
}

pub(crate) fn send_status_schema(_generator: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "string", "enum": SendStatus::ALL.map(SendStatus::as_str)})
}
