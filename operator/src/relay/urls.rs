//! The public URLs of a relay: the issuer of access tokens, and the MCP gateway.

use crds::{Relay, name};
use kube::ResourceExt as _;

/// The issuer of access tokens: `spec.oauth.issuer`, or else the URL of the relay's Service.
#[must_use]
pub fn issuer(relay: &Relay, cluster_domain: &str) -> String {
    let in_cluster =
        || name::relay_issuer(&relay.name_any(), &relay.namespace().unwrap_or_default(), cluster_domain);
    relay.spec.oauth.issuer.clone().unwrap_or_else(in_cluster)
}

/// The URL of the MCP gateway, which is the audience of its access tokens:
/// `spec.gateway.publicURL`, or else the URL of the gateway's Service. `None` for a Relay without a
/// gateway.
#[must_use]
pub fn gateway_url(relay: &Relay, cluster_domain: &str) -> Option<String> {
    let gateway = &relay.spec.gateway;
    let in_cluster =
        || name::gateway_url(&relay.name_any(), &relay.namespace().unwrap_or_default(), cluster_domain);
    gateway.enabled.then(|| gateway.public_url.as_ref().map_or_else(in_cluster, ToString::to_string))
}
