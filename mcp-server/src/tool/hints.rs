//! The annotations of tools (MCP, tool annotations), which tell clients the effect of a call.

use rmcp::model::ToolAnnotations;

/// The effect of a call (MCP, tool annotations). Clients use it to decide whether to ask for
/// consent.
#[derive(Debug, Clone, Copy)]
pub(super) enum Hints {
    /// Reads this agent's own state.
    ReadsOwn,
    /// Reads what other agents published.
    ReadsOthers,
    /// Marks something of this agent's own state; a second call changes nothing more.
    Marks,
    /// Sends something to another agent with each call.
    Sends,
    /// Deletes something of this agent's own state; a second call deletes nothing more.
    Deletes,
    /// Ends something at another agent; a second call ends nothing more.
    Stops,
}

impl Hints {
    pub(super) fn annotations(self, title: &str) -> ToolAnnotations {
        let (read_only, destructive, idempotent, open_world) = match self {
            Self::ReadsOwn => (true, false, true, false),
            Self::ReadsOthers => (true, false, true, true),
            Self::Marks => (false, false, true, false),
            Self::Sends => (false, false, false, true),
            Self::Deletes => (false, true, true, false),
            Self::Stops => (false, true, true, true),
        };
        ToolAnnotations::from_raw(
            Some(title.to_owned()),
            Some(read_only),
            Some(destructive),
            Some(idempotent),
            Some(open_world),
        )
    }
}
