//! Tests promise 2 on the cluster: answered messages are still there after the relay's process was
//! killed, and agents reconnect.

use msg2agent_tests::custom_resources::connect;
use msg2agent_tests::installed_operator::in_installed;

use msg2agent_tests::operator_replicas as operators;

use crate::{conversation, relay_pod};

const MESSAGES: usize = 1000;

#[tokio::test]
async fn a_thousand_messages_stored_for_an_absent_agent_survive_sigkill_once_and_in_order() {
    let _undisturbed = operators::undisturbed().await;
    in_installed("stored", async |namespace| {
        let relay = conversation::alice_and_bob(&namespace).await?;
        let bob = connect(&namespace, &relay, "bob").await?;
        bob.close().await;
        let alice = connect(&namespace, &relay, "alice").await?;
        conversation::store(&alice, bob.did(), 0..MESSAGES).await?;
        relay_pod::kill(&namespace).await?;
        let bob = connect(&namespace, &relay, "bob").await?;
        let mut inbox = bob.inbox();
        conversation::send_last(&alice, bob.did()).await?;
        conversation::expect(&mut inbox, 0..MESSAGES).await
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn agents_come_back_by_themselves_and_nothing_answered_is_lost() {
    let _undisturbed = operators::undisturbed().await;
    in_installed("reconnect", async |namespace| {
        let relay = conversation::alice_and_bob(&namespace).await?;
        let alice = connect(&namespace, &relay, "alice").await?;
        let bob = connect(&namespace, &relay, "bob").await?;
        let (begun, mut inbox) = (tokio::sync::Notify::new(), bob.inbox());
        let talk = async {
            conversation::send(&alice, bob.did(), 0..50).await?;
            begun.notify_one();
            conversation::send(&alice, bob.did(), 50..500).await?;
            conversation::send_last(&alice, bob.did()).await
        };
        let kill = async {
            begun.notified().await;
            relay_pod::kill(&namespace).await
        };
        let listen = conversation::expect(&mut inbox, 0..500);
        tokio::try_join!(talk, kill, listen).map(drop)
    })
    .await
    .unwrap();
}
