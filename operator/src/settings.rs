//! The operator's settings. Every flag has an environment variable, and none is a secret.

use std::net::SocketAddr;

use clap::{Parser, Subcommand, ValueEnum};
use crds::relay::PullPolicy;

use crate::pod_user::PodUser;

/// The variable by which operators see each other's namespaces.
pub(crate) const WATCH_NAMESPACES_VARIABLE: &str = "MSG2AGENT_OPERATOR_WATCH_NAMESPACES";

/// The msg2agent operator. Reconciles Relay, Tenant and Agent objects with the cluster and the
/// relays.
#[derive(Debug, Clone, Parser)]
#[command(name = "msg2agent-operator", version)]
pub struct Options {
    #[command(flatten)]
    pub settings: Settings,
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// Without a command, the operator runs.
#[derive(Debug, Clone, Copy, Subcommand)]
pub enum Command {
    /// Print the RBAC rules that the operator needs, as a ClusterRole and a Role in JSON.
    Rbac,
    /// Check that the custom resource definitions are served and not older than the operator, that
    /// one operator leads, and that no other operator works in its namespaces. `helm
    /// test` runs this.
    Check,
    /// Remove the operator's finalizers from Relays, Tenants and Agents, after the operator was
    /// uninstalled. The chart runs this.
    ReleaseFinalizers,
}

/// The settings of all commands.
#[derive(Debug, Clone, Parser)]
pub struct Settings {
    /// Image of relays without `spec.image`.
    #[arg(long, env = "MSG2AGENT_OPERATOR_RELAY_IMAGE", default_value = "ghcr.io/msg2agent/relay:0.1.0")]
    pub relay_image: String,
    /// Image of MCP endpoints and MCP gateways.
    #[arg(
        long,
        env = "MSG2AGENT_OPERATOR_MCP_SERVER_IMAGE",
        default_value = "ghcr.io/msg2agent/mcp-server:0.1.0"
    )]
    pub mcp_server_image: String,
    /// Pull policy of relays: Always, IfNotPresent or Never.
    #[arg(long, env = "MSG2AGENT_OPERATOR_RELAY_IMAGE_PULL_POLICY", default_value = "IfNotPresent", value_parser = pull_policy)]
    pub relay_image_pull_policy: PullPolicy,
    /// Pull policy of MCP endpoints and MCP gateways: Always, IfNotPresent or Never.
    #[arg(long, env = "MSG2AGENT_OPERATOR_MCP_SERVER_IMAGE_PULL_POLICY", default_value = "IfNotPresent", value_parser = pull_policy)]
    pub mcp_server_image_pull_policy: PullPolicy,
    /// Names of pull Secrets for all of them, separated by commas. Each Secret must exist in the
    /// namespaces of Relays and Agents.
    #[arg(long, env = "MSG2AGENT_OPERATOR_IMAGE_PULL_SECRETS", value_delimiter = ',')]
    pub image_pull_secrets: Vec<String>,
    /// User, group and fsGroup of all of them: a number, or `Platform` to leave the choice to the
    /// platform, as on OpenShift.
    #[arg(long, env = "MSG2AGENT_OPERATOR_POD_USER", default_value_t)]
    pub pod_user: PodUser,
    /// Namespaces whose pods may read the metrics of relays, MCP endpoints and MCP gateways,
    /// separated by commas. The NetworkPolicies admit them.
    #[arg(long, env = "MSG2AGENT_OPERATOR_MONITORING_NAMESPACES", value_delimiter = ',')]
    pub monitoring_namespaces: Vec<String>,
    /// Proxy by which relays reach the OpenID provider and client documents, as http://host:port.
    #[arg(long, env = "MSG2AGENT_OPERATOR_RELAY_HTTPS_PROXY")]
    pub relay_https_proxy: Option<String>,
    /// Hosts, domains and networks that relays reach without the proxy, separated by commas.
    #[arg(long, env = "MSG2AGENT_OPERATOR_RELAY_NO_PROXY")]
    pub relay_no_proxy: Option<String>,
    /// Namespaces that the operator works in, separated by commas. Empty: all namespaces.
    #[arg(long, env = WATCH_NAMESPACES_VARIABLE, value_delimiter = ',')]
    pub watch_namespaces: Vec<String>,
    /// Namespace of the operator and of its Lease.
    #[arg(long, env = "MSG2AGENT_OPERATOR_NAMESPACE", default_value = "msg2agent-system")]
    pub namespace: String,
    /// Name of this replica in the Lease.
    #[arg(long, env = "MSG2AGENT_OPERATOR_POD_NAME", default_value = "msg2agent-operator")]
    pub pod_name: String,
    /// DNS domain of the cluster.
    #[arg(long, env = "MSG2AGENT_OPERATOR_CLUSTER_DOMAIN", default_value = "cluster.local")]
    pub cluster_domain: String,
    /// Address of the listener for probes and metrics.
    #[arg(long, env = "MSG2AGENT_OPERATOR_ADMIN_LISTEN", default_value = "[::]:8081")]
    pub admin_listen: SocketAddr,
    /// Name of the Lease.
    #[arg(long, env = "MSG2AGENT_OPERATOR_LEASE_NAME", default_value = "msg2agent-operator")]
    pub lease_name: String,
    /// Number of objects that are reconciled at the same time.
    #[arg(long, env = "MSG2AGENT_OPERATOR_CONCURRENCY", default_value_t = 32, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub concurrency: u16,
    /// Number of relays, MCP gateways and MCP endpoints that a change by the operator, such as a
    /// new image after its upgrade, may restart at the same time.
    #[arg(long, env = "MSG2AGENT_OPERATOR_ROLLOUT_BUDGET", default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub rollout_budget: u16,
    /// Log filter, for example `info,kube=warn`.
    #[arg(long, env = "MSG2AGENT_OPERATOR_LOG_FILTER", default_value = "info")]
    pub log_filter: String,
    /// Log format.
    #[arg(long, env = "MSG2AGENT_OPERATOR_LOG_FORMAT", default_value = "text")]
    pub log_format: LogFormat,
    /// Base URL of an OTLP/HTTP collector for traces.
    #[arg(long, env = "MSG2AGENT_OPERATOR_OTLP_ENDPOINT")]
    pub otlp_endpoint: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    Text,
    Json,
}

impl Settings {
    /// Treats empty values as unset, because charts render unset values as empty variables.
    #[must_use]
    pub fn normalized(mut self) -> Self {
        self.image_pull_secrets.retain(|name| !name.is_empty());
        self.monitoring_namespaces.retain(|name| !name.is_empty());
        self.watch_namespaces.retain(|name| !name.is_empty());
        self.otlp_endpoint = self.otlp_endpoint.filter(|endpoint| !endpoint.is_empty());
        self.relay_https_proxy = self.relay_https_proxy.filter(|proxy| !proxy.is_empty());
        self
    }
}

fn pull_policy(text: &str) -> Result<PullPolicy, String> {
    [PullPolicy::Always, PullPolicy::IfNotPresent, PullPolicy::Never]
        .into_iter()
        .find(|policy| policy.as_str() == text)
        .ok_or_else(|| "the pull policy must be Always, IfNotPresent or Never".to_owned())
}
