//! Tests promise 3: agents go on without an operator, and a change is carried out when the operator
//! is back.

use anyhow::ensure;
use k8s_openapi::api::coordination::v1::Lease;
use kube::Api;
use msg2agent_tests::custom_resources::{agent, becomes_ready, connect};
use msg2agent_tests::installed_operator::{OPERATOR, OPERATOR_NAMESPACE, in_installed, leader};
use serde_json::json;

use msg2agent_tests::operator_replicas as operators;

use crate::conversation;

#[tokio::test]
async fn agents_talk_while_no_operator_runs_and_a_new_agent_is_programmed_when_one_is_back() {
    let _alone = operators::alone().await.unwrap();
    in_installed("operator-killed", async |namespace| {
        let relay = conversation::alice_and_bob(&namespace).await?;
        let alice = connect(&namespace, &relay, "alice").await?;
        let bob = connect(&namespace, &relay, "bob").await?;
        let before = leader(&namespace.client).await?;
        for operator in operators::processes(&namespace.client).await? {
            operator.kill()?;
        }
        agent(&namespace, "carol", json!({})).await?;
        let mut inbox = bob.inbox();
        let (sent, received) = tokio::join!(
            async {
                conversation::send(&alice, bob.did(), 0..100).await?;
                conversation::send_last(&alice, bob.did()).await
            },
            conversation::expect(&mut inbox, 0..100),
        );
        sent.and(received)?;
        // The lease has not run out, so nobody has led since the kill.
        let lease =
            Api::<Lease>::namespaced(namespace.client.clone(), OPERATOR_NAMESPACE).get(OPERATOR).await?;
        let holder = lease.spec.and_then(|spec| spec.holder_identity).unwrap_or_default();
        ensure!(holder == before, "{holder} led already: the messages show nothing");
        becomes_ready(&namespace, "carol").await?;
        connect(&namespace, &relay, "carol").await.map(drop)
    })
    .await
    .unwrap();
}
