//! Finds every object that the operator has made in a namespace, and deletes or edits it as
//! somebody else would.

use std::collections::BTreeMap;

use anyhow::{Context as _, ensure};
use crds::label;
use devtools::eventually::eventually;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams};
use kube::core::{ApiResource, DynamicObject, GroupVersionKind};
use kube::{Api, ResourceExt as _};
use msg2agent_tests::custom_resources::READY_TIMEOUT;
use msg2agent_tests::namespace::TestNamespace;
use serde_json::{Value, json};

/// The kinds that the operator makes.
const KINDS: [(&str, &str, &str); 9] = [
    ("", "v1", "Service"),
    ("", "v1", "ServiceAccount"),
    ("", "v1", "ConfigMap"),
    ("", "v1", "Secret"),
    ("apps", "v1", "StatefulSet"),
    ("apps", "v1", "Deployment"),
    ("policy", "v1", "PodDisruptionBudget"),
    ("autoscaling", "v2", "HorizontalPodAutoscaler"),
    ("networking.k8s.io", "v1", "NetworkPolicy"),
];
/// Secrets that are never replaced without a person's word. The code of an invitation has perhaps
/// been handed out and stays valid, so no second one is made.
const IRREPLACEABLE: [&str; 3] = [label::SECRET_IDENTITY, label::SECRET_CA, label::SECRET_INVITATION];

/// Secrets of one token that both sides read. Whatever somebody writes there is the token.
const TOKENS: [&str; 2] = [label::SECRET_ADMIN, label::SECRET_GATEWAY];
/// What every member of a Secret becomes, as text and as in its JSON.
const EDITED: (&str, &str) = ("edited", "ZWRpdGVk");

/// An object of the operator.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Child {
    uid: String,
    /// What a Secret is for.
    purpose: String,
    /// All but metadata, status and the number of replicas.
    content: Value,
}

/// The objects by kind and name.
pub(crate) type Children = BTreeMap<(&'static str, String), Child>;

/// The names of [`KINDS`].
pub(crate) fn kinds() -> impl Iterator<Item = &'static str> {
    KINDS.into_iter().map(|(_, _, kind)| kind)
}

/// Everything that can be put back.
///
/// # Errors
/// An error of the API server.
pub(crate) async fn all(namespace: &TestNamespace) -> anyhow::Result<Children> {
    let mut children = Children::new();
    for (_, _, kind) in KINDS {
        let ours = ListParams::default().labels(&format!("{}={}", label::MANAGED_BY, label::MANAGER));
        for object in api(namespace, kind)?.list(&ours).await.with_context(|| format!("list {kind}"))? {
            let purpose = object.labels().get(label::SECRET_KIND).cloned().unwrap_or_default();
            if !IRREPLACEABLE.contains(&purpose.as_str()) {
                let content = content(&object.data);
                let child = Child { uid: object.uid().unwrap_or_default(), purpose, content };
                children.insert((kind, object.name_any()), child);
            }
        }
    }
    Ok(children)
}

/// # Errors
/// The API server refuses.
pub(crate) async fn delete(namespace: &TestNamespace, kind: &str, name: &str) -> anyhow::Result<()> {
    api(namespace, kind)?.delete(name, &DeleteParams::default()).await?;
    Ok(())
}

/// Changes a field that the operator sets, or every member of a Secret. Returns whether there is
/// such a field.
///
/// # Errors
/// The API server refuses.
pub(crate) async fn edit(
    namespace: &TestNamespace,
    kind: &str,
    name: &str,
    child: &Child,
) -> anyhow::Result<bool> {
    let changes = edited(kind, child);
    if changes.is_empty() {
        return Ok(false);
    }
    let operation = |(path, value): (String, Value)| json!({"op": "replace", "path": path, "value": value});
    let patch = serde_json::from_value(changes.into_iter().map(operation).collect())?;
    api(namespace, kind)?.patch(name, &PatchParams::default(), &Patch::Json::<()>(patch)).await?;
    Ok(true)
}

/// Waits until the object is there again and is another one than before.
///
/// # Errors
/// It is not.
pub(crate) async fn is_back(
    namespace: &TestNamespace,
    kind: &str,
    name: &str,
    before: &Child,
) -> anyhow::Result<()> {
    eventually(&format!("{kind} {name} is there again"), READY_TIMEOUT, async || {
        let now = api(namespace, kind)?.get(name).await?;
        ensure!(now.uid().as_deref() != Some(&before.uid), "it is still the old one");
        Ok(())
    })
    .await
}

/// Waits until the object is as it was. A Secret has the same members again, and no one is the
/// edited one: keys and certificates are made anew.
///
/// # Errors
/// It is not.
pub(crate) async fn is_put_right(
    namespace: &TestNamespace,
    kind: &str,
    name: &str,
    before: &Child,
) -> anyhow::Result<()> {
    eventually(&format!("{kind} {name} is as it was"), READY_TIMEOUT, async || {
        let now = content(&api(namespace, kind)?.get(name).await?.data);
        if kind == "Secret" {
            let names = |content: &Value| members(content).map(|(name, _)| name.clone()).collect::<Vec<_>>();
            let edited: Vec<_> = members(&now).filter(|(_, value)| **value == EDITED.1).collect();
            ensure!(edited.is_empty(), "{edited:?}");
            ensure!(names(&now).len() == names(&before.content).len(), "it has {:?}", names(&now));
        } else {
            ensure!(now == before.content, "{now}");
        }
        Ok(())
    })
    .await
}

/// The members of a Secret or ConfigMap.
fn members(content: &Value) -> impl Iterator<Item = (&String, &Value)> {
    content.get("data").and_then(Value::as_object).into_iter().flatten()
}

/// Paths of the object and other values for them.
fn edited(kind: &str, child: &Child) -> Vec<(String, Value)> {
    let content = &child.content;
    let change = |path: &str, value: Value| {
        content.pointer(path).map(|_| (path.to_owned(), value)).into_iter().collect()
    };
    let all_members =
        |value: &str| members(content).map(|(name, _)| (format!("/data/{name}"), value.into())).collect();
    match kind {
        "Service" => change("/spec/ports/0/port", json!(9999)),
        "ServiceAccount" => change("/automountServiceAccountToken", json!(true)),
        "ConfigMap" => all_members(EDITED.0),
        "Secret" if TOKENS.contains(&child.purpose.as_str()) => Vec::new(),
        "Secret" => all_members(EDITED.1),
        "StatefulSet" | "Deployment" => {
            change("/spec/template/spec/containers/0/image", json!("localhost/edited:1"))
        }
        "PodDisruptionBudget" => change("/spec/maxUnavailable", json!(3)),
        "HorizontalPodAutoscaler" => change("/spec/maxReplicas", json!(99)),
        "NetworkPolicy" => change("/spec/ingress", json!([])),
        _ => Vec::new(),
    }
}

fn content(object: &Value) -> Value {
    let mut content = object.clone();
    if let Some(members) = content.as_object_mut() {
        members.remove("status");
    }
    if let Some(spec) = content.get_mut("spec").and_then(Value::as_object_mut) {
        spec.remove("replicas");
        spec.remove("clusterIP");
        spec.remove("clusterIPs");
    }
    content
}

fn api(namespace: &TestNamespace, kind: &str) -> anyhow::Result<Api<DynamicObject>> {
    let found = KINDS.iter().find(|(_, _, found)| *found == kind);
    let (group, version, kind) = found.with_context(|| format!("{kind} is not a kind of the operator"))?;
    let mut resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind));
    if *kind == "NetworkPolicy" {
        resource.plural = "networkpolicies".into();
    }
    Ok(Api::namespaced_with(namespace.client.clone(), &namespace.name, &resource))
}
