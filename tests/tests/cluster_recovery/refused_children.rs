//! Tests that objects which the API server refuses hold up no other one.

use anyhow::ensure;
use crds::Relay;
use devtools::eventually::eventually;
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{ResourceQuota, Service};
use kube::api::DeleteParams;
use msg2agent_tests::custom_resources::{READY_TIMEOUT, RELAY, apply};
use msg2agent_tests::installed_operator::in_installed;
use msg2agent_tests::operator_replicas::undisturbed;
use serde_json::json;

use crate::agent_state::condition;

/// A quota refuses two kinds of objects that come before the workload.
#[tokio::test]
async fn objects_that_a_quota_refuses_hold_up_no_other_one_and_the_condition_names_each() {
    let _undisturbed = undisturbed().await;
    in_installed("refused-children", async |namespace| {
        let none = json!({"count/poddisruptionbudgets.policy": "0",
            "count/networkpolicies.networking.k8s.io": "0"});
        let quota = json!({"metadata": {"name": "none"}, "spec": {"hard": none}});
        namespace.create_object::<ResourceQuota>(quota).await?;
        apply::<Relay>(&namespace, RELAY, json!({"domain": "agents.example.com"})).await?;
        eventually("everything else is applied, and both are named", READY_TIMEOUT, async || {
            namespace.api::<Service>().get(RELAY).await?;
            namespace.api::<StatefulSet>().get(RELAY).await?;
            let relay = namespace.api::<Relay>().get(RELAY).await?;
            let conditions = relay.status.unwrap_or_default().conditions;
            let available = conditions.iter().find(|condition| condition.type_ == "Available");
            let message = available.map(|condition| condition.message.as_str()).unwrap_or_default();
            for refused in ["PodDisruptionBudget", "NetworkPolicy"] {
                ensure!(message.contains(&format!("apply {refused}")), "{message:?}");
            }
            Ok(())
        })
        .await?;
        namespace.api::<ResourceQuota>().delete("none", &DeleteParams::default()).await?;
        condition::<Relay>(&namespace, RELAY, ("Ready", "True", "Ready")).await
    })
    .await
    .unwrap();
}
