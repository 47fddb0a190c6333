//! The URLs of an agent's MCP endpoint.

use crds::{Agent, name};
use kube::ResourceExt as _;

/// The URL for clients, which is the audience of access tokens: `spec.mcp.publicURL`, or else the
/// one inside the cluster.
pub fn mcp_url(agent: &Agent, cluster_domain: &str) -> String {
    let public_url = agent.spec.mcp.public_url.as_ref();
    public_url.map_or_else(|| in_cluster_mcp_url(agent, cluster_domain), ToString::to_string)
}

/// The URL inside the cluster.
pub fn in_cluster_mcp_url(agent: &Agent, cluster_domain: &str) -> String {
    name::mcp_url(&agent.name_any(), &agent.namespace().unwrap_or_default(), cluster_domain)
}
