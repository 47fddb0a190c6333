//! Builds the NetworkPolicy of an MCP endpoint. Pure.
//!
//! It allows ingress on the HTTPS port from anywhere, because requests need a credential, and on
//! the admin port from the monitoring namespaces. It allows egress to DNS and the agent's relay.

use crds::{Agent, label, name};
use k8s_openapi::api::networking::v1::{
    NetworkPolicy, NetworkPolicyEgressRule, NetworkPolicyIngressRule, NetworkPolicyPeer, NetworkPolicySpec,
};
use kube::ResourceExt as _;

use super::metadata;
use crate::component::{self, MCP_SERVER};
use crate::network_policy::{dns, matches, monitoring, port};
use crate::object_key::NamespacedName;
use crate::pod;
use crate::settings::Settings;

/// `None` when the Agent disables it.
pub(super) fn network_policy(
    agent: &Agent,
    relay: &NamespacedName,
    settings: &Settings,
) -> Option<NetworkPolicy> {
    let is_enabled = agent.spec.mcp.network_policy.enabled;
    is_enabled.then(|| NetworkPolicy { metadata: metadata(agent), spec: Some(spec(agent, relay, settings)) })
}

fn spec(agent: &Agent, relay: &NamespacedName, settings: &Settings) -> NetworkPolicySpec {
    let relay_pods = NetworkPolicyPeer {
        namespace_selector: Some(matches(&[("kubernetes.io/metadata.name", &relay.namespace)])),
        pod_selector: Some(matches(&[(label::RELAY, &relay.name), (label::COMPONENT, component::RELAY)])),
        ip_block: None,
    };
    let mut ingress =
        vec![NetworkPolicyIngressRule { from: None, ports: Some(vec![port("TCP", name::MCP_POD_PORT)]) }];
    ingress.extend(monitoring(&settings.monitoring_namespaces, name::MCP_ADMIN_PORT));
    let to_relay = NetworkPolicyEgressRule {
        to: Some(vec![relay_pods]),
        ports: Some(vec![port("TCP", name::RELAY_PORT)]),
    };
    NetworkPolicySpec {
        pod_selector: Some(pod::selector(label::AGENT, &agent.name_any(), MCP_SERVER)),
        policy_types: Some(vec!["Ingress".into(), "Egress".into()]),
        ingress: Some(ingress),
        egress: Some(vec![dns(), to_relay]),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;
    use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

    use super::*;
    use crate::agent::fixtures::agent;

    fn policy(mcp: serde_json::Value, options: &[&str]) -> Option<NetworkPolicySpec> {
        let agent = agent(serde_json::json!({"tenantRef": {"name": "acme"}, "mcp": mcp}));
        let settings = Settings::parse_from([&["operator"], options].concat());
        network_policy(&agent, &NamespacedName::new("platform", "main"), &settings)?.spec
    }

    #[test]
    fn the_endpoint_reaches_its_relay_and_nothing_else() {
        let policy = policy(serde_json::json!({"enabled": true}), &[]).unwrap();
        let peers: Vec<_> = policy.egress.unwrap().into_iter().filter_map(|rule| rule.to).flatten().collect();
        assert_eq!(peers.len(), 1);
        assert_eq!(
            peers[0].pod_selector,
            Some(matches(&[(label::RELAY, "main"), (label::COMPONENT, component::RELAY)]))
        );
    }

    #[test]
    fn its_metrics_are_open_to_the_monitoring_namespaces_alone() {
        let metrics_rules = |options: &[&str]| -> Vec<_> {
            let policy = policy(serde_json::json!({"enabled": true}), options).unwrap();
            let wanted = Some(IntOrString::Int(name::MCP_ADMIN_PORT.into()));
            let rules = policy.ingress.unwrap().into_iter();
            rules.filter(|rule| rule.ports.iter().flatten().any(|port| port.port == wanted)).collect()
        };
        assert!(metrics_rules(&[]).is_empty());
        let rules = metrics_rules(&["--monitoring-namespaces", "monitoring,observability"]);
        let peers = rules[0].from.clone().unwrap();
        let namespaces = ["monitoring", "observability"];
        let expected = namespaces.map(|it| Some(matches(&[("kubernetes.io/metadata.name", it)])));
        assert!(peers.iter().map(|peer| peer.namespace_selector.clone()).eq(expected));
    }

    #[test]
    fn it_can_be_switched_off() {
        let off = serde_json::json!({"enabled": true, "networkPolicy": {"enabled": false}});
        assert_eq!(policy(off, &[]), None);
    }
}
