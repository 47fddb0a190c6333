//! `get_self_info`: returns this agent's DID and card, the status of its session, and counts of the
//! inbox.

use protocol::limits::CONTENT_BYTES_MAX;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::hints::Hints;
use super::toolbox::{Tool, Toolbox};
use crate::network::SessionStatus;
use crate::scope::Scope;
use crate::tool_error::ToolError;
use crate::view::AgentCard;

pub(super) struct GetSelfInfo;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct GetSelfInfoArguments {}

#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct GetSelfInfoAnswer {
    did: String,
    tenant: String,
    /// The name other agents of the tenant may use for this one.
    name: String,
    card: AgentCard,
    session: SessionStatus,
    /// Unread messages in the inbox.
    unread: u64,
    /// Messages that were read and are still here.
    read: u64,
    /// Tasks, given and received, that have not ended.
    tasks_open: u64,
    /// Whether inbox and tasks outlive a restart of this server. If not, unread messages wait at
    /// the relay.
    durable: bool,
    /// Bytes of JSON one message may hold.
    content_bytes_max: usize,
}

impl Tool for GetSelfInfo {
    const NAME: &'static str = "get_self_info";
    const TITLE: &'static str = "Show this agent";
    const DESCRIPTION: &'static str = "Returns this agent's own DID, name and card, the status of its connection, and how many messages are unread.";
    const HINTS: Hints = Hints::ReadsOwn;
    const SCOPE: Scope = Scope::Read;
    type Arguments = GetSelfInfoArguments;
    type Answer = GetSelfInfoAnswer;

    async fn call(
        toolbox: &Toolbox,
        GetSelfInfoArguments {}: GetSelfInfoArguments,
    ) -> Result<GetSelfInfoAnswer, ToolError> {
        let own = toolbox.network.own_agent();
        let totals = toolbox.store.inbox.totals().await.map_err(ToolError::Database)?;
        let tasks_open = toolbox.store.tasks.open_count().await.map_err(ToolError::Database)?;
        Ok(GetSelfInfoAnswer {
            tenant: own.did.tenant().to_string(),
            name: own.did.name().to_owned(),
            did: own.did.to_string(),
            card: own.card.into(),
            session: own.session,
            unread: totals.unread,
            read: totals.read,
            tasks_open,
            durable: toolbox.store.inbox.is_durable(),
            content_bytes_max: CONTENT_BYTES_MAX,
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::fixtures::{ToolboxFixture, message};

    #[tokio::test]
    async fn the_agent_knows_itself_and_its_inbox() {
        let network = ToolboxFixture::new().await;
        network.arrive(message(1, "bob", "hi")).await;
        let answer = network.call("get_self_info", json!({})).await.unwrap();
        assert_eq!((&answer["name"], &answer["tenant"]), (&json!("me"), &json!("acme")));
        assert_eq!((&answer["session"], &answer["unread"]), (&json!("connected"), &json!(1)));
    }

    #[tokio::test]
    async fn it_takes_no_arguments() {
        assert_eq!(
            ToolboxFixture::new().await.refusal("get_self_info", json!({"x": 1})).await,
            "invalid_arguments"
        );
    }
}
