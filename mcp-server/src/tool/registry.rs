//! The list of all tools.
//!
//! To add a tool, declare its module in `tool.rs`, implement [`Tool`] in the module, and add a line
//! at the end of this file. Then rewrite the golden listing with
//! `make gen`.

use rmcp::model::{CallToolResult, JsonObject};

use super::description;
use super::toolbox::{Tool, Toolbox};
use crate::scope::Scope;

/// No tool in [`Toolbox::list`] has the name.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no such tool; tools/list returns them all")]
pub struct UnknownTool;

/// Defines the list, the calls and the scopes from one list of tools, in this order.
macro_rules! tools {
    ($($module:ident :: $tool:ident),* $(,)?) => {
        $(use super::$module::$tool;)*

        impl Toolbox {
            /// All tools, always in the same order.
            #[must_use]
            pub fn list() -> Vec<rmcp::model::Tool> {
                vec![$(description::describe::<$tool>()),*]
            }

            /// The scope that a call of the tool requires; `None` when no tool has the name.
            #[must_use]
            pub fn scope(name: &str) -> Option<Scope> {
                $(if name == <$tool as Tool>::NAME {
                    return Some(<$tool as Tool>::SCOPE);
                })*
                None
            }

            /// Calls a tool. Its error is a result that the model reads, not an error of the
            /// protocol.
            ///
            /// # Errors
            /// No tool has the name.
            pub async fn call(&self, name: &str, arguments: JsonObject) -> Result<CallToolResult, UnknownTool> {
                $(if name == <$tool as Tool>::NAME {
                    return Ok(self.run::<$tool>(arguments).await);
                })*
                Err(UnknownTool)
            }
        }
    };
}

tools![
    send_message::SendMessage,
    list_messages::ListMessages,
    read_message::ReadMessage,
    delete_message::DeleteMessage,
    message_count::MessageCount,
    submit_task::SubmitTask,
    get_task_status::GetTaskStatus,
    list_tasks::ListTasks,
    send_task_input::SendTaskInput,
    cancel_task::CancelTask,
    update_task::UpdateTask,
    list_agents::ListAgents,
    query_capabilities::QueryCapabilities,
    get_agent_info::GetAgentInfo,
    get_self_info::GetSelfInfo,
];
