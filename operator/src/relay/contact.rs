//! Asks the ready replicas of a relay for their version, and compares what they hold.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

use crds::{Relay, name};
use k8s_openapi::api::discovery::v1::{Endpoint, EndpointSlice};
use kube::ResourceExt as _;

use super::sweep;
use crate::context::Context;
use crate::error::Result;
use crate::object_key::NamespacedName;
use crate::relay_replicas::Contact;

/// Contacts the relay and sweeps it.
///
/// # Errors
/// No ready replica answers, or the listing fails.
pub(super) async fn contact(context: &Context, relay: &Relay, name: &NamespacedName) -> Result<Contact> {
    let ready = ready_addresses(context, name);
    let contact = context.relay_replicas.contact(name, &ready).await;
    if let Ok(contact) = &contact
        && contact.is_fresh
    {
        tracing::info!(replicas = contact.reachable, "a store of the relay is new or older than before");
    }
    let swept = sweep::sweep(context, relay, name).await;
    let contact = contact?;
    swept?;
    Ok(contact)
}

/// Addresses of the admin listeners of ready pods.
fn ready_addresses(context: &Context, name: &NamespacedName) -> BTreeSet<SocketAddr> {
    let headless = name::relay_headless(&name.name);
    let slices = context.caches.endpoint_slices.filter(|slice| {
        slice.namespace().as_deref() == Some(&*name.namespace)
            && slice.labels().get("kubernetes.io/service-name") == Some(&headless)
    });
    slices.iter().flat_map(|slice| admin_addresses(slice)).collect()
}

/// The admin listeners of the ready pods of a slice, of either family.
fn admin_addresses(slice: &EndpointSlice) -> impl Iterator<Item = SocketAddr> {
    let is_ready = |endpoint: &&Endpoint| {
        endpoint.conditions.as_ref().is_some_and(|conditions| conditions.ready == Some(true))
    };
    let addresses = slice.endpoints.iter().filter(is_ready).flat_map(|endpoint| &endpoint.addresses);
    let addresses = addresses.filter_map(|address| address.parse::<IpAddr>().ok());
    addresses.map(|address| SocketAddr::new(address, name::RELAY_ADMIN_PORT))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ready_pods_of_both_families_are_found() {
        let slice = |family: &str, address: &str, ready: bool| -> EndpointSlice {
            let endpoint = serde_json::json!({"addresses": [address], "conditions": {"ready": ready}});
            serde_json::from_value(serde_json::json!({"addressType": family, "endpoints": [endpoint]}))
                .unwrap()
        };
        let found =
            |slice: EndpointSlice| admin_addresses(&slice).map(|it| it.to_string()).collect::<Vec<_>>();
        assert_eq!(found(slice("IPv4", "10.0.0.7", true)), ["10.0.0.7:8082"]);
        assert_eq!(found(slice("IPv6", "fd00::7", true)), ["[fd00::7]:8082"]);
        assert!(found(slice("IPv6", "fd00::7", false)).is_empty());
    }
}
