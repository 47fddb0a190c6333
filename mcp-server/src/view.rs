//! Presents messages, tasks and agents to a model. Whatever another agent wrote is in a member
//! `untrusted`; everything outside it was verified or decided by this server.

mod agent;
mod format;
mod message;
mod schema;
mod task;

pub use agent::{AgentCard, CardCapability};
#[cfg(test)]
pub(crate) use format::CONTENT_PART_BYTES_MAX;
pub(crate) use format::rfc3339;
pub use message::{MessageSummary, MessageView};
pub(crate) use schema::{send_status_schema, state_schema};
pub(crate) use task::MESSAGES_SHOWN;
pub use task::{TaskMessageView, TaskSummary, TaskView};
