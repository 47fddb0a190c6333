//! The relay's NetworkPolicy: agents reach the WebSocket port, the operator alone the admin port; out go names, traces,
//! clients' documents and the identity provider.

use crds::{Relay, label, name};
use k8s_openapi::api::networking::v1::{
    NetworkPolicyEgressRule, NetworkPolicyIngressRule, NetworkPolicyPeer, NetworkPolicySpec,
};
use kube::ResourceExt as _;

use super::COMPONENT;
use crate::network_policy::{dns, matches, port, public, url_port};
use crate::pod;
use crate::settings::Settings;

const HTTPS: u16 = 443;

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
    // Documents of clients are at public addresses, and the relay fetches from nowhere else.
    egress.push(NetworkPolicyEgressRule { ports: Some(vec![port("TCP", HTTPS)]), to: Some(public()) });
    // A company's own provider is often inside.
    egress.extend(relay.spec.oauth.provider.as_ref().map(|provider| NetworkPolicyEgressRule {
        ports: Some(vec![port("TCP", url_port(&provider.issuer))]),
        to: None,
    }));
    NetworkPolicySpec {
        pod_selector: Some(pod::selector(label::RELAY, &relay.name_any(), COMPONENT)),
        policy_types: Some(vec!["Ingress".into(), "Egress".into()]),
        ingress: Some(vec![
            NetworkPolicyIngressRule { from: None, ports: Some(vec![port("TCP", name::RELAY_PORT)]) },
            NetworkPolicyIngressRule {
                from: Some(vec![operator]),
                ports: Some(vec![port("TCP", name::RELAY_ADMIN_PORT)]),
            },
        ]),
        egress: Some(egress),
    }
}
