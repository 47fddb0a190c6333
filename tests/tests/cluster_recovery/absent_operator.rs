//! Tests that what was deleted while no operator ran is refused within seconds of its return.
//!
//! How long it was away makes no difference to a successor: it finds the keys in the relay's
//! listing, and no time of an object or of a former attempt takes part in that.

use std::time::Duration;

use anyhow::ensure;
use crds::{Agent, Tenant};
use kube::api::DeleteParams;
use msg2agent_tests::custom_resources::{RELAY, apply, becomes_ready, connect, ready_agent};
use msg2agent_tests::installed_operator::in_installed;
use msg2agent_tests::operator_replicas::{alone, without_operators};
use msg2agent_tests::relay_answer::{ACCEPTED, REFUSED, answer};
use msg2agent_tests::relay_port_forward::RelayPortForward;
use serde_json::json;

use crate::agent_state::{AgentState, answered, gone, token};

/// The promise, from the moment at which a replica leads.
const REFUSAL_TIMEOUT: Duration = Duration::from_secs(5);

#[tokio::test]
async fn an_agent_and_a_tenant_deleted_while_no_operator_ran_are_refused_when_one_is_back() {
    let _alone = alone().await.unwrap();
    in_installed("absent", async |namespace| {
        for agent in ["alice", "bob"] {
            ready_agent(&namespace, agent, json!({})).await?;
        }
        apply::<Tenant>(&namespace, "second", json!({"relayRef": {"name": RELAY}})).await?;
        apply::<Agent>(&namespace, "carol", json!({"tenantRef": {"name": "second"}})).await?;
        becomes_ready(&namespace, "carol").await?;
        let kept = AgentState::read(&namespace, "alice").await?;
        let deleted = [token(&namespace, "bob").await?, token(&namespace, "carol").await?];
        let relay = RelayPortForward::open(&namespace, RELAY).await?;
        let session = connect(&namespace, &relay, "alice").await?;
        without_operators(&namespace.client, async || {
            let now = DeleteParams::default();
            namespace.api::<Agent>().delete("bob", &now).await?;
            namespace.api::<Agent>().delete("carol", &now).await?;
            namespace.api::<Tenant>().delete("second", &now).await?;
            for token in &deleted {
                let found = answer(&namespace, token).await?;
                ensure!(found == ACCEPTED, "{found} already: nothing would be shown");
            }
            Ok(())
        })
        .await?;
        for token in &deleted {
            answered(&namespace, token, REFUSED, REFUSAL_TIMEOUT).await?;
        }
        gone::<Agent>(&namespace, "bob").await?;
        gone::<Agent>(&namespace, "carol").await?;
        gone::<Tenant>(&namespace, "second").await?;
        kept.ensure_unharmed(&namespace).await?;
        session.close().await;
        Ok(())
    })
    .await
    .unwrap();
}
