//! Tests the end of a whole namespace of Agents at once.

use anyhow::ensure;
use crds::{Agent, Relay, Tenant};
use devtools::eventually::eventually;
use k8s_openapi::api::core::v1::Namespace;
use kube::Api;
use msg2agent_tests::custom_resources::{READY_TIMEOUT, RELAY, TENANT, agent, apply, becomes_ready};
use msg2agent_tests::installed_operator::in_installed;
use msg2agent_tests::namespace::in_namespace;
use msg2agent_tests::operator_replicas::undisturbed;
use msg2agent_tests::relay_answer::REFUSED;
use serde_json::json;

use crate::agent_state::{CHANGE_TIMEOUT, answered, token};

const AGENTS: usize = 20;

#[tokio::test]
async fn a_namespace_with_twenty_agents_ends_and_the_relay_refuses_all_their_keys() {
    let _undisturbed = undisturbed().await;
    in_installed("platform", async |platform| {
        let relay = json!({"domain": "agents.example.com", "tenants": {"allowedFrom": {"from": "All"}}});
        apply::<Relay>(&platform, RELAY, relay).await?;
        let (mut tokens, mut team_name) = (vec![], String::new());
        in_namespace(platform.client.clone(), "team", async |team| {
            let reference = json!({"name": RELAY, "namespace": platform.name});
            apply::<Tenant>(&team, TENANT, json!({"relayRef": reference})).await?;
            for number in 0..AGENTS {
                agent(&team, &format!("agent-{number}"), json!({})).await?;
            }
            for number in 0..AGENTS {
                becomes_ready(&team, &format!("agent-{number}")).await?;
                tokens.push(token(&team, &format!("agent-{number}")).await?);
            }
            team_name = team.name;
            Ok(())
        })
        .await?;
        for token in &tokens {
            answered(&platform, token, REFUSED, CHANGE_TIMEOUT).await?;
        }
        let namespaces = Api::<Namespace>::all(platform.client.clone());
        eventually("the namespace is gone", READY_TIMEOUT, async || {
            let found = namespaces.get_opt(&team_name).await?;
            let agents = Api::<Agent>::namespaced(platform.client.clone(), &team_name);
            let left = agents.list(&kube::api::ListParams::default()).await?.items.len();
            ensure!(found.is_none(), "it is still there with {left} Agents");
            Ok(())
        })
        .await
    })
    .await
    .unwrap();
}
