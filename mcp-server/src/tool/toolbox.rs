//! The trait of a tool, and what the tools of one agent work with.

use std::sync::Arc;
use std::time::Instant;

use rmcp::model::{CallToolResult, JsonObject};
use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::hints::Hints;
use crate::message_store::MessageStore;
use crate::metrics::EndpointMetrics;
use crate::network::Network;
use crate::scope::Scope;
use crate::tool_error::ToolError;

/// One tool. Its arguments and its answer are objects, so that every client can use both.
pub(super) trait Tool {
    const NAME: &'static str;
    const TITLE: &'static str;
    const DESCRIPTION: &'static str;
    const HINTS: Hints;
    /// The scope that an access token must have.
    const SCOPE: Scope;
    type Arguments: DeserializeOwned + JsonSchema + Send;
    type Answer: Serialize + JsonSchema;

    fn call(
        toolbox: &Toolbox,
        arguments: Self::Arguments,
    ) -> impl Future<Output = Result<Self::Answer, ToolError>> + Send;
}

/// What the tools of one agent work with. Cheap to clone.
#[derive(Clone)]
pub struct Toolbox {
    pub network: Arc<dyn Network>,
    pub store: Arc<MessageStore>,
    pub metrics: EndpointMetrics,
}

impl Toolbox {
    /// Calls a tool, and counts and logs the call.
    pub(super) async fn run<T: Tool>(&self, arguments: JsonObject) -> CallToolResult {
        let started = Instant::now();
        let answer = self.answer::<T>(arguments).await;
        let outcome = answer.as_ref().map_or_else(ToolError::reason, |_| "ok");
        self.metrics.count_call(T::NAME, outcome, started.elapsed());
        self.metrics.set_inbox(self.store.totals().await);
        tracing::info!(tool = T::NAME, outcome, "tool called");
        answer.map_or_else(|error| error.to_result(), CallToolResult::structured)
    }

    async fn answer<T: Tool>(&self, arguments: JsonObject) -> Result<Value, ToolError> {
        let arguments = serde_json::from_value(Value::Object(arguments))
            .map_err(|error| ToolError::Arguments(error.to_string()))?;
        let answer = T::call(self, arguments).await?;
        serde_json::to_value(answer).map_err(|_| ToolError::Internal)
    }
}
