//! Asks the ready replicas of a relay for their version, and compares what they hold.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

use crds::{Relay, name};
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
    slices
        .iter()
        .flat_map(|slice| &slice.endpoints)
        .filter(|endpoint| {
            endpoint.conditions.as_ref().is_some_and(|conditions| conditions.ready == Some(true))
        })
        .flat_map(|endpoint| &endpoint.addresses)
        .filter_map(|address| address.parse::<IpAddr>().ok())
        .map(|address| SocketAddr::new(address, name::RELAY_ADMIN_PORT))
        .collect()
}
