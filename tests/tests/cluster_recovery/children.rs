//! Deletes and edits every kind of object that the operator makes. Each is put back, also when it
//! happened while no operator ran.

use anyhow::ensure;
use crds::{Relay, Tenant};
use msg2agent_tests::custom_resources::{RELAY, TENANT, agent, apply, becomes_ready};
use msg2agent_tests::installed_operator::in_installed;
use msg2agent_tests::namespace::TestNamespace;
use msg2agent_tests::operator_replicas::{alone, undisturbed, without_operators};
use serde_json::json;

use crate::agent_state::condition;
use crate::child_objects::{self, Children};

#[tokio::test]
async fn every_kind_of_child_that_is_deleted_or_edited_is_put_back() {
    let _undisturbed = undisturbed().await;
    in_installed("children", async |namespace| {
        for ((kind, name), child) in everything(&namespace).await? {
            child_objects::delete(&namespace, kind, &name).await?;
            child_objects::is_back(&namespace, kind, &name, &child).await?;
        }
        works(&namespace).await?;
        for ((kind, name), child) in child_objects::all(&namespace).await? {
            if child_objects::edit(&namespace, kind, &name, &child).await? {
                child_objects::is_put_right(&namespace, kind, &name, &child).await?;
            }
        }
        works(&namespace).await
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn children_deleted_or_edited_while_no_operator_ran_are_put_back_when_one_is_there() {
    let _alone = alone().await.unwrap();
    in_installed("children-away", async |namespace| {
        let deleted = everything(&namespace).await?;
        without_operators(&namespace.client, async || {
            for (kind, name) in deleted.keys() {
                child_objects::delete(&namespace, kind, name).await?;
            }
            Ok(())
        })
        .await?;
        for ((kind, name), child) in &deleted {
            child_objects::is_back(&namespace, kind, name, child).await?;
        }
        works(&namespace).await?;
        let edited = child_objects::all(&namespace).await?;
        without_operators(&namespace.client, async || {
            for ((kind, name), child) in &edited {
                child_objects::edit(&namespace, kind, name, child).await?;
            }
            Ok(())
        })
        .await?;
        for ((kind, name), child) in &edited {
            child_objects::is_put_right(&namespace, kind, name, child).await?;
        }
        works(&namespace).await
    })
    .await
    .unwrap();
}

/// The children of a Relay with a gateway, a Tenant with an invitation, and an Agent with an MCP
/// endpoint.
async fn everything(namespace: &TestNamespace) -> anyhow::Result<Children> {
    let gateway = json!({"enabled": true, "replicas": {"min": 1, "max": 2}});
    let relay = json!({"domain": "agents.example.com", "gateway": gateway});
    apply::<Relay>(namespace, RELAY, relay).await?;
    let invitations = json!([{"name": "carol", "agent": "alice"}]);
    apply::<Tenant>(namespace, TENANT, json!({"relayRef": {"name": RELAY}, "invitations": invitations}))
        .await?;
    agent(namespace, "alice", json!({"mcp": {"enabled": true}})).await?;
    works(namespace).await?;
    let children = child_objects::all(namespace).await?;
    for kind in child_objects::kinds() {
        ensure!(children.keys().any(|(found, _)| *found == kind), "no {kind} in {:?}", children.keys());
    }
    Ok(children)
}

async fn works(namespace: &TestNamespace) -> anyhow::Result<()> {
    becomes_ready(namespace, "alice").await?;
    condition::<Relay>(namespace, RELAY, ("Ready", "True", "Ready")).await
}
