//! Writes a card in the form that is signed (specification 8.4.1).

use serde_json::Value;

use crate::model::AgentCard;

/// RFC 8785 of the card without signatures. Our messages are written with the presence rules of the
/// proto file already.
pub(super) fn canonical(card: &AgentCard) -> serde_json::Result<Vec<u8>> {
    serde_json_canonicalizer::to_vec(&unsigned(card)?)
}

/// The same without anything empty, as the Python SDK signs and verifies it.
pub(super) fn compact(card: &AgentCard) -> serde_json::Result<Vec<u8>> {
    serde_json_canonicalizer::to_vec(&without_empty(unsigned(card)?).unwrap_or_default())
}

fn unsigned(card: &AgentCard) -> serde_json::Result<Value> {
    let mut value = serde_json::to_value(card)?;
    if let Value::Object(members) = &mut value {
        members.remove("signatures");
    }
    Ok(value)
}

fn without_empty(value: Value) -> Option<Value> {
    let value = match value {
        Value::Object(members) => {
            let members = members.into_iter().filter_map(|(name, value)| Some((name, without_empty(value)?)));
            Value::Object(members.collect())
        }
        Value::Array(items) => Value::Array(items.into_iter().filter_map(without_empty).collect()),
        other => other,
    };
    let is_empty = match &value {
        Value::Object(members) => members.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::String(text) => text.is_empty(),
        Value::Null => true,
        Value::Bool(_) | Value::Number(_) => false,
    };
    (!is_empty).then_some(value)
}
