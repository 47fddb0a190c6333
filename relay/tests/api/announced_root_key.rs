//! Tests that a lookup shows the root keys which the agent's owner replaced, also after a restart.

use protocol::admin::AgentSpec;
use protocol::frame::{LookupParams, LookupResult, method};
use protocol::multikey::encode_ed25519;

use crate::agent::{Agent, identity};
use crate::harness::{agent_spec, new_key, start};

#[tokio::test]
async fn a_replaced_root_key_is_announced_with_the_new_record() {
    let relay = start().await;
    let (mut alice, _) = Agent::join(&relay, "alice").await;
    let (bob, _) = Agent::join(&relay, "bob").await;
    let bobs = LookupParams { did: bob.did.clone() };
    let found: LookupResult = alice.call(method::LOOKUP, &bobs).await.unwrap();
    assert_eq!(found.former_root_keys, []);

    let (new, key) = (identity(&bob.did), new_key());
    let root_key = Some(encode_ed25519(&new.root_public()));
    let spec = AgentSpec { root_key, ..agent_spec(&[(&key, None)]) };
    relay.put("tenants/default/agents/bob", &spec).await.unwrap();
    let relay = relay.restart().await;
    let _bob = Agent::open(&relay, &key, new).await.unwrap();
    let (mut carol, _) = Agent::join(&relay, "carol").await;
    let found: LookupResult = carol.call(method::LOOKUP, &bobs).await.unwrap();
    let former: Vec<_> = found.former_root_keys.iter().map(|former| former.root_key.clone()).collect();
    assert_eq!(former, [encode_ed25519(&bob.identity.root_public())]);
}
