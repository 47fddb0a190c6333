//! Tests that forged objects take nothing from tenants and agents that a person made at the relay,
//! which no object claims.

use anyhow::ensure;
use crds::{Agent, Tenant, label};
use msg2agent_tests::custom_resources::{RELAY, TENANT, ready_agent};
use msg2agent_tests::installed_operator::in_installed;
use msg2agent_tests::namespace::in_namespace;
use msg2agent_tests::relay_answer::{ACCEPTED, answer};
use msg2agent_tests::{operator_replicas, relay_admin};
use protocol::admin::TENANTS_PATH;
use protocol::api_key::ApiKey;
use serde_json::json;

use crate::agent_state::condition;
use crate::forged_objects::{delete, forge};

#[tokio::test]
async fn a_forged_agent_takes_nothing_from_one_that_a_person_made_at_the_relay() {
    let _undisturbed = operator_replicas::undisturbed().await;
    in_installed("forged-by-hand", async |victim| {
        ready_agent(&victim, "alice", json!({})).await?;
        let key = ApiKey::generate(&mut rand::rng());
        let by_hand = format!("{TENANTS_PATH}/{TENANT}/agents/dave");
        let spec = json!({"keys": [{"sha256": key.hash()}]});
        relay_admin::succeed(&victim, "PUT", &by_hand, Some(&spec)).await?;
        let before = relay_admin::succeed(&victim, "GET", &by_hand, None).await?;
        in_namespace(victim.client.clone(), "evil", async |evil| {
            let tenant = json!({"name": TENANT, "namespace": victim.name});
            forge::<Agent>(&evil, "dave", label::REVOCATION, json!({"tenantRef": tenant})).await?;
            condition::<Agent>(&evil, "dave", ("Accepted", "False", "RefNotPermitted")).await?;
            delete::<Agent>(&evil, "dave").await
        })
        .await?;
        ensure!(answer(&victim, key.reveal()).await? == ACCEPTED, "the key of dave is refused");
        let after = relay_admin::succeed(&victim, "GET", &by_hand, None).await?;
        ensure!(after == before, "{before} became {after}");
        Ok(())
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn a_tenant_that_is_not_admitted_makes_and_suspends_nothing_at_the_relay() {
    let _undisturbed = operator_replicas::undisturbed().await;
    in_installed("forged-tenant", async |victim| {
        ready_agent(&victim, "alice", json!({})).await?;
        let by_hand = format!("{TENANTS_PATH}/by-hand");
        relay_admin::succeed(&victim, "PUT", &by_hand, Some(&json!({"displayName": "By hand"}))).await?;
        let before = relay_admin::succeed(&victim, "GET", TENANTS_PATH, None).await?;
        in_namespace(victim.client.clone(), "evil", async |evil| {
            for id in ["by-hand", "default", "made-up"] {
                let relay = json!({"name": RELAY, "namespace": victim.name});
                forge::<Tenant>(&evil, id, label::TEARDOWN, json!({"tenantId": id, "relayRef": relay}))
                    .await?;
                condition::<Tenant>(&evil, id, ("Accepted", "False", "RefNotPermitted")).await?;
            }
            let meanwhile = relay_admin::succeed(&victim, "GET", TENANTS_PATH, None).await?;
            ensure!(meanwhile == before, "{before} became {meanwhile}");
            for id in ["by-hand", "default", "made-up"] {
                delete::<Tenant>(&evil, id).await?;
            }
            Ok(())
        })
        .await?;
        let after = relay_admin::succeed(&victim, "GET", TENANTS_PATH, None).await?;
        ensure!(after == before, "{before} became {after}");
        Ok(())
    })
    .await
    .unwrap();
}
