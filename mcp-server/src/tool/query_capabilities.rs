//! `query_capabilities`: finds agents that offer several capabilities. The relay filters by the
//! first one, this server by the others.

use protocol::frame::DiscoverParams;
use protocol::limits::{CAPABILITIES_MAX, DID_BYTES_MAX, DISCOVER_PAGE_MAX, LABEL_BYTES_MAX};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::hints::Hints;
use super::list_agents::ListedAgent;
use super::paging;
use super::toolbox::{Tool, Toolbox};
use crate::scope::Scope;
use crate::tool_error::ToolError;

/// Pages of the relay that one call searches: 500 agents, in less than a second.
const PAGES_MAX: usize = 5;

pub(super) struct QueryCapabilities;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct QueryCapabilitiesArguments {
    /// Ids of capabilities, for example ["plan.create", "plan.review"]. An agent must offer all of
    /// them.
    #[schemars(length(min = 1, max = CAPABILITIES_MAX), inner(length(min = 1, max = LABEL_BYTES_MAX)))]
    capabilities: Vec<String>,
    /// Only agents that are connected now.
    #[serde(default)]
    online_only: bool,
    /// The next_cursor of the previous page.
    #[schemars(length(max = DID_BYTES_MAX))]
    cursor: Option<String>,
    /// Agents in the page; 20 when absent.
    #[schemars(range(min = 1, max = paging::PAGE_MAX))]
    limit: Option<usize>,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct QueryCapabilitiesAnswer {
    /// Agents that offer all of the capabilities; empty when there is none.
    agents: Vec<ListedAgent>,
    /// The cursor of the next page; absent when all agents were searched. A page may be empty and
    /// still have a next one.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

impl Tool for QueryCapabilities {
    const NAME: &'static str = "query_capabilities";
    const TITLE: &'static str = "Find agents by capabilities";
    const DESCRIPTION: &'static str =
        "Finds agents of this agent's own tenant that offer all of the given capabilities.";
    const HINTS: Hints = Hints::ReadsOthers;
    const SCOPE: Scope = Scope::Read;
    type Arguments = QueryCapabilitiesArguments;
    type Answer = QueryCapabilitiesAnswer;

    async fn call(
        toolbox: &Toolbox,
        arguments: QueryCapabilitiesArguments,
    ) -> Result<QueryCapabilitiesAnswer, ToolError> {
        let limit = paging::check_limit(arguments.limit)?;
        let fits = |capability: &String| (1..=LABEL_BYTES_MAX).contains(&capability.len());
        let (first, count) = (arguments.capabilities.first(), arguments.capabilities.len());
        let (Some(first), true) = (first, arguments.capabilities.iter().all(fits)) else {
            return Err(ToolError::Arguments(format!(
                "capabilities must have 1 to {CAPABILITIES_MAX} ids of 1 to {LABEL_BYTES_MAX} bytes"
            )));
        };
        if count > CAPABILITIES_MAX {
            return Err(ToolError::Arguments(format!("at most {CAPABILITIES_MAX} capabilities")));
        }
        let cursor =
            arguments.cursor.as_deref().map(str::parse).transpose().map_err(|_| ToolError::Cursor)?;
        let mut query =
            DiscoverParams { capability: Some(first.clone()), cursor, limit: Some(DISCOVER_PAGE_MAX) };
        let mut agents = Vec::new();
        for _ in 0..PAGES_MAX {
            let found = toolbox.network.discover(query.clone()).await?;
            for agent in found.agents {
                let offered = |id: &String| agent.card.capabilities.iter().any(|c| c.id == *id);
                let wanted =
                    arguments.capabilities.iter().all(offered) && (agent.online || !arguments.online_only);
                if !wanted {
                    continue;
                }
                let did = agent.did.to_string();
                agents.push(ListedAgent::from(agent));
                if agents.len() == limit {
                    // A cursor of the relay is the last DID of a page, so any DID is a cursor.
                    return Ok(QueryCapabilitiesAnswer { agents, next_cursor: Some(did) });
                }
            }
            query.cursor = found.cursor;
            if query.cursor.is_none() {
                break;
            }
        }
        Ok(QueryCapabilitiesAnswer { agents, next_cursor: query.cursor.map(|did| did.to_string()) })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::fixtures::{ToolboxFixture, did};

    #[tokio::test]
    async fn the_relay_is_asked_for_the_first_and_the_others_are_looked_for_here() {
        let network = ToolboxFixture::new().await;
        network.offers("bob", &["plan.create", "plan.review"]);
        network.offers("carol", &["plan.create"]);
        let both = json!({"capabilities": ["plan.create", "plan.review"]});
        let answer = network.call("query_capabilities", both).await.unwrap();
        assert_eq!(answer["agents"].as_array().unwrap().len(), 1);
        assert_eq!(answer["agents"][0]["did"], did("bob").as_str());
        assert_eq!(network.asked()[0].capability.as_deref(), Some("plan.create"));
        let none = json!({"capabilities": ["plan.create", "plan.burn"]});
        assert_eq!(network.call("query_capabilities", none).await.unwrap()["agents"], json!([]));
    }

    #[tokio::test]
    async fn a_full_page_says_where_to_go_on() {
        let network = ToolboxFixture::new().await;
        network.offers("bob", &["plan.create"]);
        network.offers("carol", &["plan.create"]);
        let answer = network
            .call("query_capabilities", json!({"capabilities": ["plan.create"], "limit": 1}))
            .await
            .unwrap();
        assert_eq!(answer["next_cursor"], did("bob").as_str());
    }

    #[tokio::test]
    async fn no_capability_or_an_empty_one_is_refused() {
        for capabilities in [json!([]), json!([""]), json!("plan.create"), json!(vec!["x"; 65])] {
            let arguments = json!({"capabilities": capabilities});
            assert_eq!(
                ToolboxFixture::new().await.refusal("query_capabilities", arguments).await,
                "invalid_arguments"
            );
        }
    }
}
