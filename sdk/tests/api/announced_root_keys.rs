//! Tests of root keys that an agent's administrator replaced: who trusts the administrator goes on,
//! and only from the key that it knew.

use msg2agent::Agent;
use protocol::frame::{FormerRootKey, LookupResult, method};

use crate::identities::{Alice, TestAgent};
use crate::scripted_relay::{RelayConnection, ScriptedRelay, lookup_result};

/// The lookup of an agent that has a new root key in place of these.
fn announced(new: &TestAgent, former: &[&TestAgent]) -> LookupResult {
    let former = former.iter().map(|agent| FormerRootKey {
        root_key: protocol::multikey::encode_ed25519(&agent.identity.root_public()),
        replaced_at: 1_790_000_000,
    });
    LookupResult { former_root_keys: former.collect(), ..lookup_result(&new.record) }
}

/// Looks bob up, and says whether his root key was refused.
async fn is_refused(
    line: &mut RelayConnection,
    agent: &Agent,
    bob: &LookupResult,
    did: &protocol::Did,
) -> bool {
    let relay = async {
        let asked = line.asked(method::LOOKUP).await;
        line.answer(&asked, bob).await;
    };
    match tokio::join!(relay, agent.lookup(did)).1 {
        Ok(_) => false,
        Err(error) if error.is_key_changed() => true,
        Err(error) => panic!("{error:?}"),
    }
}

#[tokio::test]
async fn an_announced_root_key_is_accepted_in_place_of_the_pinned_one_and_over_restarts() {
    let relay = ScriptedRelay::new().await;
    let [first, second, third] = [(); 3].map(|()| TestAgent::new("bob"));
    let alice = Alice::new(&relay.url());
    let config = alice.config.clone().with_state_dir(alice.folder.path().join("state"));
    let did = first.did();
    {
        let trusting = config.clone().accepting_announced_root_keys();
        let (registered, agent) = tokio::join!(relay.registered(1), Agent::connect(trusting));
        let ((mut line, _), agent) = (registered, agent.unwrap());
        assert!(!is_refused(&mut line, &agent, &announced(&first, &[]), did).await);
        let other = announced(&second, &[&third]);
        assert!(is_refused(&mut line, &agent, &other, did).await, "another key than the pinned one");
        assert!(!is_refused(&mut line, &agent, &announced(&third, &[&first, &second]), did).await);
        assert!(is_refused(&mut line, &agent, &announced(&first, &[]), did).await, "the former key");
        agent.close().await;
    }
    // The new key is pinned, also for who does not trust the administrator any more.
    let (registered, agent) = tokio::join!(relay.registered(2), Agent::connect(config));
    let ((mut line, _), agent) = (registered, agent.unwrap());
    assert!(!is_refused(&mut line, &agent, &announced(&third, &[&first, &second]), did).await);
    assert!(is_refused(&mut line, &agent, &announced(&second, &[&third]), did).await, "it does not trust");
}

#[tokio::test]
async fn no_announcement_replaces_an_anchor() {
    let relay = ScriptedRelay::new().await;
    let [first, second] = [(); 2].map(|()| TestAgent::new("bob"));
    let root = protocol::multikey::encode_ed25519(&first.identity.root_public());
    let alice = Alice::new(&relay.url());
    let config = alice.config.clone().accepting_announced_root_keys();
    let config = config.with_anchor(first.did().clone(), &root).unwrap();
    let (registered, agent) = tokio::join!(relay.registered(1), Agent::connect(config));
    let ((mut line, _), agent) = (registered, agent.unwrap());
    assert!(!is_refused(&mut line, &agent, &announced(&first, &[]), first.did()).await);
    assert!(is_refused(&mut line, &agent, &announced(&second, &[&first]), first.did()).await);
}
