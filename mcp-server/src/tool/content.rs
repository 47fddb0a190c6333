//! The content of an outgoing message: either a text or a JSON object.

use protocol::envelope::Content;
use protocol::limits::CONTENT_BYTES_MAX;
use serde_json::{Map, Value};

use crate::tool_error::ToolError;

/// # Errors
/// Both or neither are given.
pub(super) fn text_or_json(
    text: Option<String>,
    json: Option<Map<String, Value>>,
) -> Result<Value, ToolError> {
    match (text, json) {
        (Some(text), None) => Ok(Value::String(text)),
        (None, Some(json)) => Ok(Value::Object(json)),
        _ => Err(ToolError::Arguments("give either text or json".into())),
    }
}

/// # Errors
/// The content does not fit into one message.
pub(super) fn check_size(content: Content) -> Result<Content, ToolError> {
    let size = serde_json::to_vec(&content).map_err(|_| ToolError::Internal)?.len();
    if size > CONTENT_BYTES_MAX { Err(ToolError::TooLarge) } else { Ok(content) }
}
