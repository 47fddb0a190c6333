//! Builds the spec of the relay's NetworkPolicy.
//!
//! It allows ingress on the public port from anywhere, on the admin port from the operator only,
//! and on the health port, which has the metrics, from the monitoring namespaces. It allows egress
//! to DNS, the trace collector, public addresses on port 443, the identity provider, and the proxy.

use crds::{Relay, label, name};
use k8s_openapi::api::networking::v1::{
    NetworkPolicyEgressRule, NetworkPolicyIngressRule, NetworkPolicyPeer, NetworkPolicySpec,
};
use kube::ResourceExt as _;

use crate::component;
use crate::network_policy::{dns, matches, monitoring, port, public, url_port};
use crate::pod;
use crate::settings::Settings;

const HTTPS_PORT: u16 = 443;

pub(super) fn spec(relay: &Relay, settings: &Settings) -> NetworkPolicySpec {
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
    // The relay fetches client metadata documents from public addresses only.
    egress.push(NetworkPolicyEgressRule { ports: Some(vec![port("TCP", HTTPS_PORT)]), to: Some(public()) });
    // The provider of a company is often at a private address.
    egress.extend(relay.spec.oauth.provider.as_ref().map(|provider| NetworkPolicyEgressRule {
        ports: Some(vec![port("TCP", url_port(&provider.issuer))]),
        to: None,
    }));
    egress.extend(
        settings.relay_https_proxy.as_deref().map(|proxy| NetworkPolicyEgressRule {
            ports: Some(vec![port("TCP", url_port(proxy))]),
            to: None,
        }),
    );
    let mut ingress = vec![
        NetworkPolicyIngressRule { from: None, ports: Some(vec![port("TCP", name::RELAY_PORT)]) },
        NetworkPolicyIngressRule {
            from: Some(vec![operator]),
            ports: Some(vec![port("TCP", name::RELAY_ADMIN_PORT)]),
        },
    ];
    ingress.extend(monitoring(&settings.monitoring_namespaces, name::RELAY_HEALTH_PORT));
    NetworkPolicySpec {
        pod_selector: Some(pod::selector(label::RELAY, &relay.name_any(), component::RELAY)),
        policy_types: Some(vec!["Ingress".into(), "Egress".into()]),
        ingress: Some(ingress),
        egress: Some(egress),
    }
}
