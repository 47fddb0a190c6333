//! Adds and removes the operator's finalizers.
//!
//! # Flow
//! A reconcile adds the finalizer before it changes anything outside the cluster. When the object
//! is deleted, the API server sets its deletion timestamp and keeps it. The reconcile then revokes
//! access at the relay ([`crate::teardown`]), removes the finalizer, and the API server removes the
//! object.
//!
//! # Guarantees
//! - Content at the relay exists only while its object has the finalizer, or after a deadline of
//!   [`crate::teardown`] has passed. The second case is an Event and a metric.
//! - A reconcile that finds the finalizer in place sends no request.
//! - Finalizers of others are kept.
//!
//! # Assumptions
//! - Only the replica that holds the lease writes, see [`crate::lease`].
//! - Revocation may run more than once, because a crash can happen between it and the removal.
//!
//! # Caveats
//! - Deleting an object while no operator runs blocks until one runs again.
//! - A finalizer that somebody removes by hand skips the revocation. The keys stay valid at the
//!   relay until its Tenant is deleted.
//!
//! # Errors
//! Both functions fail with a conflict when the object changed since it was read. The next
//! reconcile reads the new version. A missing object is no error.

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
