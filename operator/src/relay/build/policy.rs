//! The relay's NetworkPolicy: agents reach the WebSocket port, the operator alone the admin port; out go names and traces.

use crds::{Relay, label, name};
use k8s_openapi::api::networking::v1::{
    NetworkPolicyEgressRule, NetworkPolicyIngressRule, NetworkPolicyPeer, NetworkPolicyPort, NetworkPolicySpec,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube::ResourceExt as _;

use super::COMPONENT;
use crate::pod;
use crate::settings::Settings;

pub(super) fn relay(relay: &Relay, settings: &Settings) -> NetworkPolicySpec {
    let operator = NetworkPolicyPeer {
        namespace_selector: Some(matches(&[("kubernetes.io/metadata.name", &settings.namespace)])),
        pod_selector: Some(matches(&[(label::APP_NAME, "msg2agent"), (label::COMPONENT, "operator")])),
        ip_block: None,
    };
    let mut egress = vec![dns()];
    egress.extend(relay.spec.otlp_endpoint.as_deref().map(|endpoint| NetworkPolicyEgressRule {
        ports: Some(vec![port("TCP", url_port(endpoint))]),
        to: None,
    }));
    NetworkPolicySpec {
        pod_selector: Some(pod::selector(label::RELAY, &relay.name_any(), COMPONENT)),
        policy_types: Some(vec!["Ingress".into(), "Egress".into()]),
        ingress: Some(vec![
            NetworkPolicyIngressRule { from: None, ports: Some(vec![port("TCP", name::RELAY_PORT)]) },
            NetworkPolicyIngressRule { from: Some(vec![operator]), ports: Some(vec![port("TCP", name::RELAY_ADMIN_PORT)]) },
        ]),
        egress: Some(egress),
    }
}

/// Names are looked up on port 53, wherever the cluster's DNS is.
pub(crate) fn dns() -> NetworkPolicyEgressRule {
    NetworkPolicyEgressRule { ports: Some(vec![port("UDP", 53), port("TCP", 53)]), to: None }
}

pub(crate) fn port(protocol: &str, port: u16) -> NetworkPolicyPort {
    NetworkPolicyPort { protocol: Some(protocol.into()), port: Some(IntOrString::Int(port.into())), end_port: None }
}

pub(crate) fn matches(labels: &[(&str, &str)]) -> LabelSelector {
    let labels = labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    LabelSelector { match_labels: Some(labels), match_expressions: None }
}

/// The port of an http or https URL.
fn url_port(url: &str) -> u16 {
    let standard = if url.starts_with("https:") { 443 } else { 80 };
    url.parse::<axum::http::Uri>().ok().and_then(|uri| uri.port_u16()).unwrap_or(standard)
}
