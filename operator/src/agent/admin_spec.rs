//! Builds an agent's body for the relay's admin API. One body holds everything, so that a
//! revocation is one write.

use crds::Agent;
use crds::agent::{Capability as CapabilitySpec, Discovery as DiscoverySpec};
use protocol::admin::{self, AgentKey, McpSpec};
use protocol::record::{Capability, Card, Discovery};

use super::resolve::ResolvedAgent;
use super::urls;
use crate::deletion_policy::deletion_policy;

pub(super) fn admin_spec(
    agent: &Agent,
    resolved: &ResolvedAgent,
    root_key: &str,
    keys: Vec<AgentKey>,
    cluster_domain: &str,
) -> admin::AgentSpec {
    let mcp = || McpSpec {
        url: urls::mcp_url(agent, cluster_domain),
        accounts: resolved.accounts.clone(),
        endpoint: resolved.gateway_url.as_ref().map(|_| urls::in_cluster_mcp_url(agent, cluster_domain)),
    };
    admin::AgentSpec {
        root_key: Some(root_key.to_owned()),
        card: Some(card(agent, resolved)),
        suspended: agent.spec.suspend,
        keys,
        mcp: (agent.spec.mcp.enabled && resolved.public_host_is_granted).then(mcp),
        deletion_policy: Some(deletion_policy(agent.spec.deletion_policy)),
    }
}

fn card(agent: &Agent, resolved: &ResolvedAgent) -> Card {
    let capability = |spec: &CapabilitySpec| Capability {
        id: spec.id.clone(),
        name: spec.name.clone().unwrap_or_default(),
    };
    Card {
        name: agent.spec.display_name.clone().unwrap_or_else(|| resolved.name.to_string()),
        description: agent.spec.description.clone().unwrap_or_default(),
        capabilities: agent.spec.capabilities.iter().map(capability).collect(),
        discovery: match agent.spec.discovery {
            DiscoverySpec::Tenant => Discovery::Tenant,
            DiscoverySpec::Hidden => Discovery::Hidden,
        },
    }
}
