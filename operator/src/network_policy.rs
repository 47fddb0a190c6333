//! Builds parts of NetworkPolicies. Pure.

use k8s_openapi::api::networking::v1::{
    IPBlock, NetworkPolicyEgressRule, NetworkPolicyIngressRule, NetworkPolicyPeer, NetworkPolicyPort,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

/// Allows egress to DNS, which is port 53 of any address.
#[must_use]
pub fn dns() -> NetworkPolicyEgressRule {
    NetworkPolicyEgressRule { ports: Some(vec![port("UDP", 53), port("TCP", 53)]), to: None }
}

/// Allows all pods of these namespaces to read metrics from a port. `None` without a namespace: a
/// rule without peers would allow everybody.
#[must_use]
pub fn monitoring(namespaces: &[String], metrics_port: u16) -> Option<NetworkPolicyIngressRule> {
    (!namespaces.is_empty()).then(|| NetworkPolicyIngressRule {
        from: Some(namespaces.iter().map(|name| all_pods_of(name)).collect()),
        ports: Some(vec![port("TCP", metrics_port)]),
    })
}

fn all_pods_of(namespace: &str) -> NetworkPolicyPeer {
    NetworkPolicyPeer {
        namespace_selector: Some(matches(&[("kubernetes.io/metadata.name", namespace)])),
        ..NetworkPolicyPeer::default()
    }
}

/// A port by protocol and number.
#[must_use]
pub fn port(protocol: &str, port: u16) -> NetworkPolicyPort {
    NetworkPolicyPort {
        protocol: Some(protocol.into()),
        port: Some(IntOrString::Int(port.into())),
        end_port: None,
    }
}

/// All public addresses. Private networks, the cluster and the metadata service of clouds are
/// excluded (RFC 1918, 3927, 4193, 4291, 6598).
#[must_use]
pub fn public() -> Vec<NetworkPolicyPeer> {
    let outside = |cidr: &str, inside: &[&str]| NetworkPolicyPeer {
        ip_block: Some(IPBlock {
            cidr: cidr.to_owned(),
            except: Some(inside.iter().map(|network| (*network).to_owned()).collect()),
        }),
        ..NetworkPolicyPeer::default()
    };
    vec![
        outside(
            "0.0.0.0/0",
            &[
                "10.0.0.0/8",
                "100.64.0.0/10",
                "127.0.0.0/8",
                "169.254.0.0/16",
                "172.16.0.0/12",
                "192.168.0.0/16",
            ],
        ),
        outside("::/0", &["::1/128", "fc00::/7", "fe80::/10"]),
    ]
}

/// A selector that requires all `labels`.
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
