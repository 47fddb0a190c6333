//! Tests a namespace with a policy that demands a label and a range of users: with the settings
//! that docs/platforms.md names, it admits everything that the operator makes.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use crds::{Relay, Tenant};
use devtools::eventually::eventually;
use k8s_openapi::api::admissionregistration::v1::{
    ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding,
};
use k8s_openapi::api::core::v1::Pod;
use kube::api::{DeleteParams, ListParams, PostParams};
use kube::{Api, Client};
use msg2agent_tests::custom_resources::{
    READY_TIMEOUT, RELAY, TENANT, agent, apply, becomes_ready, has_condition,
};
use msg2agent_tests::installed_operator::in_installed;
use msg2agent_tests::namespace::TestNamespace;
use serde_json::{Value, json};

/// The API server compiles a new policy within seconds.
const POLICY_TIMEOUT: Duration = Duration::from_secs(60);

/// What the policy says of a pod without the label.
const LABEL_REFUSED: &str = "every pod has the label team";
const USER_REFUSED: &str = "user, group and fsGroup are between 65000 and 65999";

#[tokio::test]
async fn a_policy_that_demands_a_label_and_a_user_admits_relay_gateway_and_endpoint() {
    in_installed("policy", async |namespace| {
        let policy = policy(&namespace.name);
        create(&namespace.client, &namespace.name, policy).await?;
        let tested = everything_is_admitted(&namespace).await;
        delete(&namespace.client, &namespace.name).await?;
        tested
    })
    .await
    .unwrap();
}

async fn everything_is_admitted(namespace: &TestNamespace) -> anyhow::Result<()> {
    for (pod, refusal) in [(pod(json!({}), 65532), LABEL_REFUSED), (pod(labels(), 1000), USER_REFUSED)] {
        eventually("the policy refuses what does not fit", POLICY_TIMEOUT, async || {
            let dry_run = PostParams { dry_run: true, ..PostParams::default() };
            let pod = serde_json::from_value(pod.clone())?;
            let refused = namespace.api::<Pod>().create(&dry_run, &pod).await.err();
            let refused = refused.context("it was admitted")?.to_string();
            ensure!(refused.contains(refusal), "{refused}");
            Ok(())
        })
        .await?;
    }
    let template = json!({"metadata": {"labels": labels()}});
    let gateway = json!({"enabled": true, "template": template});
    let relay = json!({"domain": "agents.example.com", "template": template, "gateway": gateway});
    apply::<Relay>(namespace, RELAY, relay).await?;
    apply::<Tenant>(namespace, TENANT, json!({"relayRef": {"name": RELAY}})).await?;
    agent(namespace, "alice", json!({"mcp": {"enabled": true, "template": template}})).await?;
    becomes_ready(namespace, "alice").await?;
    eventually("the gateway is ready", READY_TIMEOUT, async || {
        let conditions = namespace.api::<Relay>().get(RELAY).await?.status.unwrap_or_default().conditions;
        ensure!(has_condition(&conditions, "GatewayReady", "True", "WorkloadAvailable"), "{conditions:?}");
        Ok(())
    })
    .await?;
    let pods = namespace.api::<Pod>().list(&ListParams::default()).await?.items;
    ensure!(pods.len() >= 4, "relay, endpoint and two pods of the gateway: {}", pods.len());
    Ok(())
}

fn labels() -> Value {
    json!({"team": "platform"})
}

/// A pod under the restricted profile with these labels and this user.
fn pod(labels: Value, user: i64) -> Value {
    json!({
        "metadata": {"name": "probe", "labels": labels},
        "spec": {
            "securityContext": {
                "runAsNonRoot": true, "runAsUser": user, "runAsGroup": user, "fsGroup": user,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [{"name": "probe", "image": "localhost/probe:1", "securityContext": {
                "allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]},
            }}],
        },
    })
}

/// Pods and templates of pods in one namespace.
fn policy(namespace: &str) -> Value {
    let rule = |group: &str, resources: Value| {
        json!({
            "apiGroups": [group], "apiVersions": ["v1"], "operations": ["CREATE", "UPDATE"],
            "resources": resources,
        })
    };
    let in_range = |field: &str| {
        let field = format!("variables.security.{field}");
        format!("has({field}) && {field} >= 65000 && {field} <= 65999")
    };
    let user = ["runAsUser", "runAsGroup", "fsGroup"].map(in_range).join(" && ");
    json!({
        "metadata": {"name": namespace},
        "spec": {
            "failurePolicy": "Fail",
            "matchConstraints": {
                "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
                "resourceRules": [
                    rule("", json!(["pods"])),
                    rule("apps", json!(["statefulsets", "deployments"])),
                ],
            },
            "variables": [
                {"name": "pod", "expression": "has(object.spec.template) ? object.spec.template : object"},
                {"name": "security", "expression": "variables.pod.spec.securityContext"},
            ],
            "validations": [
                {
                    "expression": "has(variables.pod.metadata.labels) && 'team' in variables.pod.metadata.labels",
                    "message": LABEL_REFUSED,
                },
                {"expression": user, "message": USER_REFUSED},
            ],
        },
    })
}

async fn create(client: &Client, name: &str, policy: Value) -> anyhow::Result<()> {
    let binding = json!({
        "metadata": {"name": name},
        "spec": {"policyName": name, "validationActions": ["Deny"]},
    });
    let params = PostParams::default();
    let policies = Api::<ValidatingAdmissionPolicy>::all(client.clone());
    policies.create(&params, &serde_json::from_value(policy)?).await.context("create the policy")?;
    let bindings = Api::<ValidatingAdmissionPolicyBinding>::all(client.clone());
    let created = bindings.create(&params, &serde_json::from_value(binding)?).await;
    created.map(drop).context("create the binding of the policy")
}

async fn delete(client: &Client, name: &str) -> anyhow::Result<()> {
    let params = DeleteParams::default();
    Api::<ValidatingAdmissionPolicyBinding>::all(client.clone()).delete(name, &params).await?;
    Api::<ValidatingAdmissionPolicy>::all(client.clone()).delete(name, &params).await?;
    Ok(())
}
