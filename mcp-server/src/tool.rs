//! The tools: one file each, with its arguments, its answer and its tests. [`Toolbox`] lists and calls them.

use std::sync::Arc;
use std::time::Instant;

use rmcp::model::{CallToolResult, JsonObject};
use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::mailbox::Mailbox;
use crate::metrics::Metrics;
use crate::network::Network;
use crate::refusal::Refusal;

mod address;
mod description;
mod get_agent_info;
mod get_self_info;
mod list_agents;
mod list_messages;
mod read_message;
mod send_message;

use description::Hints;

/// One tool. Arguments and answer are objects, so that every client can use both.
trait Tool {
    const NAME: &'static str;
    const TITLE: &'static str;
    const DESCRIPTION: &'static str;
    const HINTS: Hints;
    type Arguments: DeserializeOwned + JsonSchema + Send;
    type Answer: Serialize + JsonSchema;

    fn call(
        toolbox: &Toolbox,
        arguments: Self::Arguments,
    ) -> impl Future<Output = Result<Self::Answer, Refusal>> + Send;
}

/// The tools of one agent and what they work on.
pub struct Toolbox {
    pub network: Arc<dyn Network>,
    pub mailbox: Arc<Mailbox>,
    pub metrics: Metrics,
}

/// A name that is not in [`Toolbox::list`].
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no such tool; tools/list names them")]
pub struct UnknownTool;

impl Toolbox {
    /// All tools, always in this order.
    #[must_use]
    pub fn list() -> Vec<rmcp::model::Tool> {
        vec![
            description::of::<send_message::SendMessage>(),
            description::of::<list_messages::ListMessages>(),
            description::of::<read_message::ReadMessage>(),
            description::of::<list_agents::ListAgents>(),
            description::of::<get_agent_info::GetAgentInfo>(),
            description::of::<get_self_info::GetSelfInfo>(),
        ]
    }

    /// A refusal is a result that the model reads, not an error of the protocol.
    ///
    /// # Errors
    /// No tool has the name.
    pub async fn call(&self, name: &str, arguments: JsonObject) -> Result<CallToolResult, UnknownTool> {
        let result = match name {
            send_message::SendMessage::NAME => self.run::<send_message::SendMessage>(arguments).await,
            list_messages::ListMessages::NAME => self.run::<list_messages::ListMessages>(arguments).await,
            read_message::ReadMessage::NAME => self.run::<read_message::ReadMessage>(arguments).await,
            list_agents::ListAgents::NAME => self.run::<list_agents::ListAgents>(arguments).await,
            get_agent_info::GetAgentInfo::NAME => self.run::<get_agent_info::GetAgentInfo>(arguments).await,
            get_self_info::GetSelfInfo::NAME => self.run::<get_self_info::GetSelfInfo>(arguments).await,
            _ => return Err(UnknownTool),
        };
        Ok(result)
    }

    async fn run<T: Tool>(&self, arguments: JsonObject) -> CallToolResult {
        let started = Instant::now();
        let answer = self.answer::<T>(arguments).await;
        let outcome = answer.as_ref().map_or_else(Refusal::reason, |_| "ok");
        self.metrics.called(T::NAME, outcome, started.elapsed());
        self.metrics.inbox(self.mailbox.totals());
        tracing::info!(tool = T::NAME, outcome, "tool called");
        answer.map_or_else(|refusal| refusal.to_result(), CallToolResult::structured)
    }

    async fn answer<T: Tool>(&self, arguments: JsonObject) -> Result<Value, Refusal> {
        let arguments = serde_json::from_value(Value::Object(arguments))
            .map_err(|error| Refusal::Arguments(error.to_string()))?;
        let answer = T::call(self, arguments).await?;
        serde_json::to_value(answer).map_err(|_| Refusal::Internal)
    }
}

#[cfg(test)]
mod tests;
