//! `delete_message`: removes one message from the inbox for good.

use protocol::limits::DID_BYTES_MAX;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::agent_reference;
use super::hints::Hints;
use super::toolbox::{Tool, Toolbox};
use crate::scope::Scope;
use crate::tool_error::ToolError;

pub(super) struct DeleteMessage;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct DeleteMessageArguments {
    /// The id from list_messages.
    #[schemars(length(min = 36, max = 36))]
    id: String,
    /// The sender; only needed when two senders used the same id.
    #[schemars(length(min = 1, max = DID_BYTES_MAX))]
    from: Option<String>,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct DeleteMessageAnswer {
    id: String,
    /// Whether it was here. A second call finds nothing and changes nothing.
    deleted: bool,
}

impl Tool for DeleteMessage {
    const NAME: &'static str = "delete_message";
    const TITLE: &'static str = "Delete a received message";
    const DESCRIPTION: &'static str =
        "Removes one received message from the inbox for good, whether it was read or not.";
    const HINTS: Hints = Hints::Deletes;
    const SCOPE: Scope = Scope::Send;
    type Arguments = DeleteMessageArguments;
    type Answer = DeleteMessageAnswer;

    async fn call(
        toolbox: &Toolbox,
        arguments: DeleteMessageArguments,
    ) -> Result<DeleteMessageAnswer, ToolError> {
        let id = arguments.id.parse().map_err(|_| ToolError::MessageId)?;
        let own = toolbox.network.own_agent().did;
        let from = arguments.from.map(|from| agent_reference::resolve(&from, &own)).transpose()?;
        let deleted = toolbox.store.delete(id, from.as_ref()).await.map_err(ToolError::FindMessage)?;
        Ok(DeleteMessageAnswer { id: arguments.id, deleted })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::fixtures::{ToolboxFixture, message, message_id};

    #[tokio::test]
    async fn deleting_twice_is_deleting_once() {
        let network = ToolboxFixture::new().await;
        network.arrive(message(3, "bob", "hello")).await;
        let arguments = json!({"id": message_id(3).to_string()});
        assert_eq!(network.call("delete_message", arguments.clone()).await.unwrap()["deleted"], true);
        assert_eq!(network.acks.made(), [3]);
        assert_eq!(network.call("delete_message", arguments).await.unwrap()["deleted"], false);
        assert_eq!(network.call("message_count", json!({})).await.unwrap()["total"], 0);
    }

    #[tokio::test]
    async fn an_id_of_two_senders_needs_the_sender() {
        let network = ToolboxFixture::new().await;
        network.arrive(message(3, "bob", "hello")).await;
        network.arrive(message(3, "carol", "hello")).await;
        let id = message_id(3).to_string();
        assert_eq!(network.refusal("delete_message", json!({"id": id})).await, "ambiguous_message");
        let answer = network.call("delete_message", json!({"id": id, "from": "carol"})).await.unwrap();
        assert_eq!(answer["deleted"], true);
    }
}
