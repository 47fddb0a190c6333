//! The tools: one file each, with its arguments, its answer and its tests. [`Toolbox`] lists and
//! calls them.

mod agent_reference;
mod cancel_task;
mod content;
mod delete_message;
mod description;
mod get_agent_info;
mod get_self_info;
mod get_task_status;
mod hints;
mod list_agents;
mod list_messages;
mod list_tasks;
mod message_count;
mod paging;
mod query_capabilities;
mod read_message;
mod registry;
mod send_message;
mod send_task_input;
mod submit_task;
mod task_exchange;
mod task_sender;
mod toolbox;
mod update_task;
mod wait;

pub use registry::UnknownTool;
pub use task_sender::resend_unsent;
pub use toolbox::Toolbox;

#[cfg(test)]
mod tests;
