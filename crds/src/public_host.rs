//! The host names that a Relay grants to public URLs of MCP endpoints.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

/// A host name, or a pattern of host names, and the agent that may use it. Each host name belongs
/// to exactly one agent: the first entry that fits it decides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("has(self.tenant) != self.host.contains('{tenant}')").message("name the tenant either in tenant or by {tenant} in host"),
    validation = Rule::new("has(self.agent) != self.host.contains('{agent}')").message("name the agent either in agent or by {agent} in host"),
    validation = Rule::new("!self.host.matches('[{]tenant[}].*[{]tenant[}]') && !self.host.matches('[{]agent[}].*[{]agent[}]')").message("host contains {tenant} and {agent} at most once each"),
)]
pub struct PublicHost {
    /// The host name, in lower case. A label of it may contain `{tenant}`, which stands for the
    /// tenant's id, and another label `{agent}`, which stands for the agent's handle. Examples:
    /// `{agent}.{tenant}.mcp.example.com`, `{agent}-acme.example.com`.
    #[schemars(length(min = 1, max = 253), regex(pattern = PATTERN))]
    pub host: String,
    /// The id of the tenant whose agents may use the host name. Required if `host` does not contain
    /// `{tenant}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63), regex(pattern = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"))]
    pub tenant: Option<String>,
    /// The handle of the agent that may use the host name. Required if `host` does not contain
    /// `{agent}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63), regex(pattern = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"))]
    pub agent: Option<String>,
}

/// Labels of a DNS name, each with at most one placeholder.
const PATTERN: &str = "^([a-z0-9]([-a-z0-9]*[a-z0-9])?|([a-z0-9][-a-z0-9]*)?[{](tenant|agent)[}]([-a-z0-9]*[a-z0-9])?)([.]([a-z0-9]([-a-z0-9]*[a-z0-9])?|([a-z0-9][-a-z0-9]*)?[{](tenant|agent)[}]([-a-z0-9]*[a-z0-9])?))+$";
