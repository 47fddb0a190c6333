//! Parts of NetworkPolicies. Pure.

use k8s_openapi::api::networking::v1::{NetworkPolicyEgressRule, NetworkPolicyPort};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

/// Names are looked up on port 53, wherever the cluster's DNS is.
#[must_use]
pub fn dns() -> NetworkPolicyEgressRule {
    NetworkPolicyEgressRule { ports: Some(vec![port("UDP", 53), port("TCP", 53)]), to: None }
}

#[must_use]
pub fn port(protocol: &str, port: u16) -> NetworkPolicyPort {
    NetworkPolicyPort {
        protocol: Some(protocol.into()),
        port: Some(IntOrString::Int(port.into())),
        end_port: None,
    }
}

#[must_use]
pub fn matches(labels: &[(&str, &str)]) -> LabelSelector {
    let labels = labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    LabelSelector { match_labels: Some(labels), match_expressions: None }
}

/// The port of an http or https URL.
#[must_use]
pub fn url_port(url: &str) -> u16 {
    let standard = if url.starts_with("https:") { 443 } else { 80 };
    url.parse::<axum::http::Uri>().ok().and_then(|uri| uri.port_u16()).unwrap_or(standard)
}
