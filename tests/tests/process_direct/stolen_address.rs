//! Tests that somebody else at the address of an agent gets nothing, and that its messages go
//! through the relay.

use msg2agent::config::{DirectPeer, DirectSettings};
use msg2agent::{
    Agent, Config, Content, DirectRefusal, ErrorKind, KeySource, Path, PathChoice, SendOptions, multikey,
};

use crate::agents::{DirectSite, endpoint, impostor};

#[tokio::test]
async fn a_message_to_an_agent_whose_address_was_stolen_goes_through_the_relay() {
    let site = DirectSite::start().await;
    let alice = site.listening("alice").await.agent;
    // Bob's record lists the thief's address.
    let bob_config = site.config("bob").await;
    let known = Agent::connect(bob_config.clone()).await.unwrap();
    let thief = thief_of(&known, &alice).await;
    known.close().await;
    let stolen = DirectSettings::default().advertising(thief.direct_endpoints()).unwrap();
    let bob = Agent::connect(bob_config.with_direct(stolen)).await.unwrap();

    let sent = alice.send(bob.did(), Content::text("secret")).await.unwrap();
    assert_eq!(sent.path, Path::Relay);
    let options = SendOptions { path: PathChoice::DirectOnly, ..SendOptions::default() };
    let error = alice.send_with(bob.did(), Content::text("secret"), options).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::DirectRefused(DirectRefusal::WrongKey), "{error:?}");
    assert!(alice.direct_refusal_counts()[&DirectRefusal::WrongKey] > 0);
    assert!(thief.inbox().is_empty());
    let message = bob.inbox().next().await.unwrap();
    assert_eq!(message.text(), Some("secret"));
    message.ack().await.unwrap();
}

#[tokio::test]
async fn an_agent_that_the_relay_does_not_know_is_refused_by_reason() {
    let site = DirectSite::start().await;
    let bob = site.listening("bob").await;
    let alice = site.listening("alice").await.agent;
    let eve = impostor(&alice);
    let peer = DirectPeer {
        did: bob.agent.did().clone(),
        root_key: bob.agent.whoami().root_key,
        endpoints: vec![endpoint(bob.proxy.address())],
    };
    let direct = DirectSettings::default().with_peers([peer]).unwrap();
    let eve = Config::without_relay(eve.did().clone(), KeySource::Memory(eve.into()), direct);
    let eve = Agent::connect(eve).await.unwrap();
    let options = SendOptions { path: PathChoice::DirectOnly, ..SendOptions::default() };
    eve.send_with(bob.agent.did(), Content::text("I am alice"), options).await.unwrap_err();
    assert_eq!(bob.agent.direct_refusal_counts()[&DirectRefusal::KeyChanged], 1);
    assert!(bob.agent.inbox().is_empty());
}

/// Somebody who listens with bob's name and keys of their own, and lets alice in.
async fn thief_of(bob: &Agent, alice: &Agent) -> Agent {
    let identity = impostor(bob);
    let root_key = multikey::encode_ed25519(&identity.root_public());
    assert_ne!(root_key, bob.whoami().root_key);
    let peer =
        DirectPeer { did: alice.did().clone(), root_key: alice.whoami().root_key, endpoints: Vec::new() };
    let direct = DirectSettings::default().listening_on(([127, 0, 0, 1], 0).into());
    let direct = direct.with_peers([peer]).unwrap();
    let config = Config::without_relay(identity.did().clone(), KeySource::Memory(identity.into()), direct);
    Agent::connect(config).await.unwrap()
}
