//! Inbox and tasks as MCP resources.

mod content;
mod listing;
mod uri;

pub use content::read;
pub use listing::{resources, templates};
pub use uri::ResourceUri;
