//! Metadata of the objects of an MCP gateway.

use std::collections::BTreeMap;

use crds::{Relay, label, name};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::ResourceExt as _;

use crate::component::MCP_GATEWAY;
use crate::pod;

pub(super) fn metadata(relay: &Relay) -> ObjectMeta {
    pod::owned_by(relay, name::relay_gateway(&relay.name_any()), labels(relay))
}

pub(in crate::relay::gateway) fn labels(relay: &Relay) -> BTreeMap<String, String> {
    pod::labels(label::RELAY, &relay.name_any(), MCP_GATEWAY)
}
