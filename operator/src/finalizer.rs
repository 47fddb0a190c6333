//! Our finalizers: put on before anything outside the cluster depends on an object, taken off when that is undone.

use kube::api::{Patch, PatchParams};
use kube::{Api, Client, ResourceExt as _};

use crate::apply::Child;
use crate::error::{Error, Result};

/// Puts `finalizer` on `object`, unless it has it.
///
/// # Errors
/// A conflict when the object changed since it was read; what the API server says.
pub async fn put<K: Child>(client: &Client, object: &K, finalizer: &str) -> Result<()> {
    if object.finalizers().iter().any(|found| found == finalizer) {
        return Ok(());
    }
    let mut finalizers = object.finalizers().to_vec();
    finalizers.push(finalizer.to_owned());
    write(client, object, finalizers).await
}

/// Takes `finalizer` off `object`, if it has it.
///
/// # Errors
/// A conflict when the object changed since it was read; what the API server says.
pub async fn release<K: Child>(client: &Client, object: &K, finalizer: &str) -> Result<()> {
    if !object.finalizers().iter().any(|found| found == finalizer) {
        return Ok(());
    }
    let rest = object.finalizers().iter().filter(|found| *found != finalizer).cloned().collect();
    write(client, object, rest).await
}

/// A list without keys that others write too: the resourceVersion guards it, not server-side apply.
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
