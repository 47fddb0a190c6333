//! What a caller wants to say: a text or a JSON object, one of the two.

use protocol::envelope::Content;
use protocol::limits::CONTENT_BYTES_MAX;
use serde_json::{Map, Value};

use crate::tool_error::ToolError;

/// # Errors
/// Both or neither.
pub(super) fn one_of(text: Option<String>, json: Option<Map<String, Value>>) -> Result<Value, ToolError> {
    match (text, json) {
        (Some(text), None) => Ok(Value::String(text)),
        (None, Some(json)) => Ok(Value::Object(json)),
        _ => Err(ToolError::Arguments("give either text or json".into())),
    }
}

/// # Errors
/// It does not fit one message.
pub(super) fn checked(content: Content) -> Result<Content, ToolError> {
    let size = serde_json::to_vec(&content).map_err(|_| ToolError::Internal)?.len();
    if size > CONTENT_BYTES_MAX { Err(ToolError::TooLarge) } else { Ok(content) }
}
