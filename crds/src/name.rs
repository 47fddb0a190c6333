//! Names of the objects that the operator creates, and their addresses inside the cluster.

/// Port of the relay's Service, for WebSocket connections, DID documents and the authorization
/// server.
pub const RELAY_PORT: u16 = 8443;
/// Port of the relay's admin listener, which speaks TLS. Only the operator may connect to it.
pub const RELAY_ADMIN_PORT: u16 = 8082;
/// Port of the relay's listener for probes and metrics.
pub const RELAY_HEALTH_PORT: u16 = 8081;
/// Port of the Service of an MCP endpoint or an MCP gateway.
pub const MCP_PORT: u16 = 443;
/// Port on which their pods listen.
pub const MCP_POD_PORT: u16 = 8443;
/// Port for probes and metrics of their pods.
pub const MCP_ADMIN_PORT: u16 = 8081;

/// Maximum length of the name of a Relay or an Agent. With the longest suffix it fits into the 63
/// characters of a Service name.
pub const NAME_CHARS_MAX: usize = 40;

macro_rules! suffixed {
    ($($(#[$doc:meta])* $name:ident = $suffix:literal;)*) => {$(
        $(#[$doc])*
        #[must_use]
        pub fn $name(owner: &str) -> String {
            format!(concat!("{}", $suffix), owner)
        }
    )*};
}

suffixed! {
    /// StatefulSet, Service, ServiceAccount, PodDisruptionBudget and NetworkPolicy of a Relay.
    relay = "";
    /// The headless Service that gives each relay pod a DNS name. The operator finds the admin
    /// listeners by it.
    relay_headless = "-pods";
    /// ConfigMap with the settings file of a Relay.
    relay_settings = "-settings";
    /// Secret with the relay's private certificate authority.
    relay_ca = "-ca";
    /// Secret with the relay's serving certificate.
    relay_tls = "-tls";
    /// Secret with the bearer token of the admin listener.
    relay_admin = "-admin";
    /// Secret with the keys that sign access tokens.
    relay_oauth_keys = "-oauth-keys";
    /// MCP gateway of a Relay: Deployment, Service, ServiceAccount, PodDisruptionBudget,
    /// HorizontalPodAutoscaler and NetworkPolicy.
    relay_gateway = "-gateway";
    /// Secret with the serving certificate of a Relay's MCP gateway, and the authorities that the
    /// gateway trusts.
    relay_gateway_tls = "-gateway-tls";
    /// Secret with the bearer token that authenticates the MCP gateway to the relay.
    relay_gateway_token = "-gateway-token";
    /// Default name of an Agent's credentials Secret.
    agent_credentials = "-relay";
    /// Secret with the managed identity of an Agent.
    agent_identity = "-identity";
    /// StatefulSet, Service, ServiceAccount and NetworkPolicy of an Agent's MCP endpoint.
    agent_mcp = "-mcp";
    /// Secret with the serving certificate of an Agent's MCP endpoint.
    agent_mcp_tls = "-mcp-tls";
}

/// The fully qualified host name of a Service.
#[must_use]
pub fn service_host(service: &str, namespace: &str, cluster_domain: &str) -> String {
    format!("{service}.{namespace}.svc.{cluster_domain}")
}

/// All host names of a Service, from the one that works in its own namespace to the fully qualified
/// one.
#[must_use]
pub fn service_hosts(service: &str, namespace: &str, cluster_domain: &str) -> Vec<String> {
    vec![
        service.to_owned(),
        format!("{service}.{namespace}"),
        format!("{service}.{namespace}.svc"),
        service_host(service, namespace, cluster_domain),
    ]
}

/// The WebSocket URL of a Relay.
#[must_use]
pub fn relay_url(relay_name: &str, namespace: &str, cluster_domain: &str) -> String {
    format!("wss://{}:{RELAY_PORT}/ws", service_host(&relay(relay_name), namespace, cluster_domain))
}

/// The issuer of a Relay's access tokens inside the cluster.
#[must_use]
pub fn relay_issuer(relay_name: &str, namespace: &str, cluster_domain: &str) -> String {
    format!("https://{}:{RELAY_PORT}", service_host(&relay(relay_name), namespace, cluster_domain))
}

/// The URL of a Relay's MCP gateway inside the cluster.
#[must_use]
pub fn gateway_url(relay_name: &str, namespace: &str, cluster_domain: &str) -> String {
    format!("https://{}/mcp", service_host(&relay_gateway(relay_name), namespace, cluster_domain))
}

/// The Secret with the code of a Tenant's invitation.
#[must_use]
pub fn tenant_invitation(tenant: &str, invitation: &str) -> String {
    format!("{tenant}-invitation-{invitation}")
}

/// The MCP URL of an Agent inside the cluster.
#[must_use]
pub fn mcp_url(agent: &str, namespace: &str, cluster_domain: &str) -> String {
    format!("https://{}/mcp", service_host(&agent_mcp(agent), namespace, cluster_domain))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_names_still_fit_a_service() {
        let owner = "a".repeat(NAME_CHARS_MAX);
        for name in [
            relay_headless(&owner),
            relay_settings(&owner),
            relay_gateway_token(&owner),
            agent_mcp(&owner),
            agent_mcp_tls(&owner),
            agent_identity(&owner),
        ] {
            assert!(name.len() <= 63, "{name}");
        }
    }

    #[test]
    fn urls_are_those_of_the_documents() {
        assert_eq!(
            relay_url("main", "msg2agent", "cluster.local"),
            "wss://main.msg2agent.svc.cluster.local:8443/ws"
        );
        assert_eq!(mcp_url("alice", "team", "cluster.local"), "https://alice-mcp.team.svc.cluster.local/mcp");
        assert_eq!(
            gateway_url("main", "msg2agent", "cluster.local"),
            "https://main-gateway.msg2agent.svc.cluster.local/mcp"
        );
    }
}
