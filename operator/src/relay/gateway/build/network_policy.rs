//! Builds the gateway's NetworkPolicy.
//!
//! It allows ingress on the HTTPS port from anywhere, because requests need a credential, and on
//! the admin port from the monitoring namespaces. It allows egress to DNS, the trace collector, the
//! relay, and MCP endpoint pods in every namespace.

use crds::{Relay, label, name};
use k8s_openapi::api::networking::v1::{
    NetworkPolicy, NetworkPolicyEgressRule, NetworkPolicyIngressRule, NetworkPolicyPeer, NetworkPolicySpec,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::ResourceExt as _;

use super::metadata::metadata;
use crate::component;
use crate::network_policy::{dns, matches, monitoring, port, url_port};
use crate::pod;
use crate::settings::Settings;

/// `None` when the Relay disables NetworkPolicies.
#[must_use]
pub fn network_policy(relay: &Relay, settings: &Settings) -> Option<NetworkPolicy> {
    relay
        .spec
        .network_policy
        .enabled
        .then(|| NetworkPolicy { metadata: metadata(relay), spec: Some(spec(relay, settings)) })
}

fn spec(relay: &Relay, settings: &Settings) -> NetworkPolicySpec {
    let relay_pods = NetworkPolicyPeer {
        pod_selector: Some(pod::selector(label::RELAY, &relay.name_any(), component::RELAY)),
        ..NetworkPolicyPeer::default()
    };
    let endpoints = NetworkPolicyPeer {
        namespace_selector: Some(LabelSelector::default()),
        pod_selector: Some(matches(&[
            (label::APP_NAME, "msg2agent"),
            (label::COMPONENT, component::MCP_SERVER),
        ])),
        ip_block: None,
    };
    let to = |peer, number| NetworkPolicyEgressRule {
        to: Some(vec![peer]),
        ports: Some(vec![port("TCP", number)]),
    };
    let mut egress = vec![dns(), to(relay_pods, name::RELAY_PORT), to(endpoints, name::MCP_POD_PORT)];
    egress.extend(relay.spec.otlp_endpoint.as_deref().map(|endpoint| NetworkPolicyEgressRule {
        ports: Some(vec![port("TCP", url_port(endpoint))]),
        to: None,
    }));
    let mut ingress =
        vec![NetworkPolicyIngressRule { from: None, ports: Some(vec![port("TCP", name::MCP_POD_PORT)]) }];
    ingress.extend(monitoring(&settings.monitoring_namespaces, name::MCP_ADMIN_PORT));
    NetworkPolicySpec {
        pod_selector: Some(pod::selector(label::RELAY, &relay.name_any(), component::MCP_GATEWAY)),
        policy_types: Some(vec!["Ingress".into(), "Egress".into()]),
        ingress: Some(ingress),
        egress: Some(egress),
    }
}
