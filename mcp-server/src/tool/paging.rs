//! Pages of listings: how many entries, and where one starts.

use crate::tool_error::ToolError;

/// Entries in one page: 50 summaries of ordinary size stay below what clients cut.
pub(super) const MAX: usize = 50;
const DEFAULT: usize = 20;

/// # Errors
/// Out of range.
pub(super) fn limit(limit: Option<usize>) -> Result<usize, ToolError> {
    match limit.unwrap_or(DEFAULT) {
        limit @ 1..=MAX => Ok(limit),
        _ => Err(ToolError::Arguments(format!("limit is 1 to {MAX}"))),
    }
}

/// # Errors
/// Not one that was given out.
pub(super) fn cursor(cursor: Option<String>) -> Result<Option<i64>, ToolError> {
    cursor.map(|cursor| cursor.parse()).transpose().map_err(|_| ToolError::Cursor)
}
