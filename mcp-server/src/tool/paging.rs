//! Pages of listings: their length, and the cursor where one starts.

use crate::tool_error::ToolError;

/// Entries in one page: 50 summaries of ordinary size stay below the length at which clients cut.
pub(super) const PAGE_MAX: usize = 50;
/// Entries in one page when the caller gives no limit.
const PAGE_DEFAULT: usize = 20;

/// # Errors
/// The limit is out of range.
pub(super) fn check_limit(limit: Option<usize>) -> Result<usize, ToolError> {
    match limit.unwrap_or(PAGE_DEFAULT) {
        limit @ 1..=PAGE_MAX => Ok(limit),
        _ => Err(ToolError::Arguments(format!("limit must be 1 to {PAGE_MAX}"))),
    }
}

/// # Errors
/// The text is not a cursor of a page.
pub(super) fn parse_cursor(cursor: Option<String>) -> Result<Option<i64>, ToolError> {
    cursor.map(|cursor| cursor.parse()).transpose().map_err(|_| ToolError::Cursor)
}
