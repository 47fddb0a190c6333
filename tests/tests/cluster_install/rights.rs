//! Asks the API server for the rights of the installed operator.

use anyhow::ensure;
use k8s_openapi::api::authorization::v1::SubjectAccessReview;
use kube::{Api, Client, api::PostParams};
use serde_json::json;

use crate::helm::NAMESPACE;

/// Group, resource, verb.
type Right = (&'static str, &'static str, &'static str);

const ALLOWED: [Right; 7] = [
    ("msg2agent.xyz", "relays/status", "update"),
    ("msg2agent.xyz", "agents", "watch"),
    ("", "secrets", "create"),
    ("", "persistentvolumeclaims", "patch"),
    ("apps", "statefulsets", "patch"),
    ("autoscaling", "horizontalpodautoscalers", "delete"),
    ("events.k8s.io", "events", "create"),
];

const REFUSED: [Right; 8] = [
    ("", "pods", "create"),
    ("", "pods/exec", "create"),
    ("", "secrets", "delete"),
    ("", "nodes", "get"),
    ("", "namespaces", "delete"),
    ("msg2agent.xyz", "relays", "delete"),
    ("rbac.authorization.k8s.io", "clusterroles", "create"),
    ("apiextensions.k8s.io", "customresourcedefinitions", "patch"),
];

pub(crate) async fn are_those_of_the_table(client: &Client) -> anyhow::Result<()> {
    for (right, wanted) in ALLOWED.iter().map(|r| (r, true)).chain(REFUSED.iter().map(|r| (r, false))) {
        ensure!(holds(client, *right).await? == wanted, "{right:?} should be {wanted}");
    }
    Ok(())
}

async fn holds(client: &Client, (group, resource, verb): Right) -> anyhow::Result<bool> {
    let (resource, subresource) = resource.split_once('/').unwrap_or((resource, ""));
    let review: SubjectAccessReview = serde_json::from_value(json!({
        "metadata": {},
        "spec": {
            "user": format!("system:serviceaccount:{NAMESPACE}:msg2agent-operator"),
            "resourceAttributes": {
                "group": group, "resource": resource, "subresource": subresource, "verb": verb, "namespace": "team"
            },
        },
    }))?;
    let answer = Api::all(client.clone()).create(&PostParams::default(), &review).await?;
    Ok(answer.status.is_some_and(|status| status.allowed))
}
