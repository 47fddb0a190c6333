//! Applies the objects that the API server does not create itself: the default storage class and
//! the role of the cluster's DNS.

use anyhow::Context as _;
use k8s_openapi::api::{
    rbac::v1::{ClusterRole, ClusterRoleBinding},
    storage::v1::StorageClass,
};
use kube::{
    Api, Client, Resource,
    api::{Patch, PatchParams},
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

/// User name of CoreDNS.
pub(super) const DNS_USER: &str = "system:coredns";

/// Writes them by server-side apply.
pub(super) async fn apply(client: &Client) -> anyhow::Result<()> {
    apply_one::<StorageClass>(client, "standard", storage_class()).await?;
    apply_one::<ClusterRole>(client, DNS_USER, dns_role()).await?;
    apply_one::<ClusterRoleBinding>(client, DNS_USER, dns_binding()).await
}

async fn apply_one<K>(client: &Client, name: &str, object: Value) -> anyhow::Result<()>
where
    K: Resource<Scope = k8s_openapi::ClusterResourceScope, DynamicType = ()>,
    K: Clone + std::fmt::Debug + Serialize + DeserializeOwned,
{
    let api = Api::<K>::all(client.clone());
    let parameters = PatchParams::apply("msg2agent-tests").force();
    api.patch(name, &parameters, &Patch::Apply(object)).await.with_context(|| format!("apply {name}"))?;
    Ok(())
}

fn storage_class() -> Value {
    json!({
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {
            "name": "standard",
            "annotations": { "storageclass.kubernetes.io/is-default-class": "true" },
        },
        "provisioner": "kubernetes.io/host-path",
        "reclaimPolicy": "Delete",
        "volumeBindingMode": "Immediate",
        "allowVolumeExpansion": true,
    })
}

fn dns_role() -> Value {
    let read = ["list", "watch"];
    json!({
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": { "name": DNS_USER },
        "rules": [
            { "apiGroups": [""], "resources": ["services", "pods", "namespaces"], "verbs": read },
            { "apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": read },
        ],
    })
}

fn dns_binding() -> Value {
    json!({
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": { "name": DNS_USER },
        "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": DNS_USER },
        "subjects": [{ "apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": DNS_USER }],
    })
}
