//! The tools: one file each, with its arguments, its answer and its tests. [`Toolbox`] lists and calls them.

use std::sync::Arc;
use std::time::Instant;

use rmcp::model::{CallToolResult, JsonObject};
use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::message_store::MessageStore;
use crate::endpoint::metrics::Metrics;
use crate::network::Network;
use crate::tool_error::ToolError;
use crate::scope::Scope;

mod address;
mod body;
mod cancel_task;
mod conversation;
mod delete_message;
mod description;
mod get_agent_info;
mod get_self_info;
mod get_task_status;
mod list_agents;
mod list_messages;
mod list_tasks;
mod message_count;
mod page;
mod query_capabilities;
mod read_message;
mod send_message;
mod send_task_input;
mod submit_task;
mod update_task;
mod wait;

use description::Hints;

/// One tool. Arguments and answer are objects, so that every client can use both.
trait Tool {
    const NAME: &'static str;
    const TITLE: &'static str;
    const DESCRIPTION: &'static str;
    const HINTS: Hints;
    /// What a caller's token must allow.
    const SCOPE: Scope;
    type Arguments: DeserializeOwned + JsonSchema + Send;
    type Answer: Serialize + JsonSchema;

    fn call(
        toolbox: &Toolbox,
        arguments: Self::Arguments,
    ) -> impl Future<Output = Result<Self::Answer, ToolError>> + Send;
}

/// The tools of one agent and what they work on.
pub struct Toolbox {
    pub network: Arc<dyn Network>,
    pub store: Arc<MessageStore>,
    pub metrics: Metrics,
}

/// A name that is not in [`Toolbox::list`].
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no such tool; tools/list names them")]
pub struct UnknownTool;

/// Names each tool once: for the list, for the calls and for the scopes, always in this order.
macro_rules! tools {
    ($($tool:path),* $(,)?) => {
        impl Toolbox {
            /// All tools, always in the same order.
            #[must_use]
            pub fn list() -> Vec<rmcp::model::Tool> {
                vec![$(description::of::<$tool>()),*]
            }

            /// What a caller must be allowed to call the tool; `None` when there is none of that name.
            #[must_use]
            pub fn scope(name: &str) -> Option<Scope> {
                $(if name == <$tool as Tool>::NAME {
                    return Some(<$tool as Tool>::SCOPE);
                })*
                None
            }

            /// A refusal is a result that the model reads, not an error of the protocol.
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

impl Toolbox {
    async fn run<T: Tool>(&self, arguments: JsonObject) -> CallToolResult {
        let started = Instant::now();
        let answer = self.answer::<T>(arguments).await;
        let outcome = answer.as_ref().map_or_else(ToolError::reason, |_| "ok");
        self.metrics.called(T::NAME, outcome, started.elapsed());
        self.metrics.inbox(self.store.totals().await);
        tracing::info!(tool = T::NAME, outcome, "tool called");
        answer.map_or_else(|refusal| refusal.to_result(), CallToolResult::structured)
    }

    async fn answer<T: Tool>(&self, arguments: JsonObject) -> Result<Value, ToolError> {
        let arguments = serde_json::from_value(Value::Object(arguments))
            .map_err(|error| ToolError::Arguments(error.to_string()))?;
        let answer = T::call(self, arguments).await?;
        serde_json::to_value(answer).map_err(|_| ToolError::Internal)
    }
}

#[cfg(test)]
mod tests;
