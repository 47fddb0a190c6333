//! Adds and removes the operator's finalizers.
//!
//! # Flow
//! A reconcile adds the finalizer of a Tenant or a Relay before it writes anything to a relay. When
//! the object is deleted, the API server sets its deletion timestamp and keeps it. The reconcile
//! then deletes the content of a Tenant from the relay ([`crate::teardown`]) and removes the
//! finalizer. That of a Relay is removed when no accepted Tenant uses it. The API server then
//! removes the object. Agents have none; one of a former version is removed on sight.
//!
//! # Guarantees
//! - A finalizer proves nothing about rights: every author of an object can set one.
//! - A finalizer that is in place already costs no request.
//! - Finalizers of others are kept.
//!
//! # Assumptions
//! - Only the replica that holds the lease writes, see [`crate::lease`].
//! - Deleting content twice is harmless. A crash can happen before the finalizer is removed.
//!
//! # Caveats
//! - While no operator runs, deleted Tenants and Relays remain.
//! - Somebody who removes a finalizer by hand skips the deletion at the relay. The next sweep
//!   removes what no object claims.
//!
//! # Errors
//! Both functions fail with a conflict when the object changed since it was read. The next
//! reconcile reads the new version. An object that no longer exists is not an error.

use kube::api::{Patch, PatchParams};
use kube::{Api, Client, ResourceExt as _};

use crate::apply::Child;
use crate::error::{Error, Result};

/// Adds `finalizer` to `object`, unless it has it.
///
/// # Errors
/// A conflict, or another error of the API server.
pub async fn add<K: Child>(client: &Client, object: &K, finalizer: &str) -> Result<()> {
    if object.finalizers().iter().any(|found| found == finalizer) {
        return Ok(());
    }
    let mut finalizers = object.finalizers().to_vec();
    finalizers.push(finalizer.to_owned());
    write(client, object, finalizers).await
}

/// Removes `finalizer` from `object`, if it has it.
///
/// # Errors
/// A conflict, or another error of the API server.
pub async fn remove<K: Child>(client: &Client, object: &K, finalizer: &str) -> Result<()> {
    if !object.finalizers().iter().any(|found| found == finalizer) {
        return Ok(());
    }
    let rest = object.finalizers().iter().filter(|found| *found != finalizer).cloned().collect();
    write(client, object, rest).await
}

/// Replaces the list with a resourceVersion. Others write finalizers too, and a merge of lists
/// without keys would lose theirs.
async fn write<K: Child>(client: &Client, object: &K, finalizers: Vec<String>) -> Result<()> {
    let name = object.name_any();
    let api = Api::<K>::namespaced(client.clone(), &object.namespace().unwrap_or_default());
    let patch = serde_json::json!({"metadata": {
        "resourceVersion": object.resource_version(), "finalizers": finalizers,
    }});
    match api.patch(&name, &PatchParams::default(), &Patch::Merge(patch)).await {
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
        other => other
            .map(drop)
            .map_err(Error::cluster(format!("write the finalizers of {} {name}", K::kind(&())))),
    }
}
