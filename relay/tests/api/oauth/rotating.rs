//! Rotation of the signing keys while the relay runs.

use std::path::Path;

use ed25519_dalek::SigningKey;
use ed25519_dalek::pkcs8::EncodePrivateKey as _;
use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;
use protocol::base64url;
use serde_json::Value;

use super::person::*;
use crate::harness::{TestRelay, eventually, start_with};

fn write_key(folder: &Path, name: &str, seed: u8) {
    let pem = SigningKey::from_bytes(&[seed; 32]).to_pkcs8_pem(LineEnding::LF).unwrap();
    // Renamed into place, so that a partial file is never read.
    std::fs::write(folder.join("half"), pem.as_bytes()).unwrap();
    std::fs::rename(folder.join("half"), folder.join(name)).unwrap();
}

/// The ids of the published keys.
async fn published(relay: &TestRelay) -> Vec<String> {
    let answer = relay.client.get(format!("{}/oauth/jwks", relay.url)).send().await.unwrap();
    let set: Value = answer.json().await.unwrap();
    set["keys"].as_array().unwrap().iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
}

async fn wait_for_keys(relay: &TestRelay, count: usize) -> Vec<String> {
    eventually("the relay publishes the keys of its folder", async || {
        Some(published(relay).await).filter(|keys| keys.len() == count)
    })
    .await
}

fn signed_by(access: &str) -> String {
    let header = base64url::decode(access.split('.').next().unwrap()).unwrap();
    serde_json::from_slice::<Value>(&header).unwrap()["kid"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn the_next_key_signs_while_tokens_of_the_former_hold_until_it_is_taken_away() {
    let keys = tempfile::tempdir().unwrap();
    write_key(keys.path(), "key-1.pem", 1);
    let relay = start_with(|config, _| config.oauth.keys_dir = Some(keys.path().to_owned())).await;
    let key = put_alice(&relay, &[]).await;
    let (former, only) = (connect(&relay).await, published(&relay).await);
    assert_eq!(only, [signed_by(&former.access)]);

    write_key(keys.path(), "key-2.pem", 2);
    let both = wait_for_keys(&relay, 2).await;
    let next = connect(&relay).await;
    assert!(both.contains(&signed_by(&next.access)) && signed_by(&next.access) != only[0]);
    assert_eq!(introspect(&relay, &key, &former.access).await["active"], true);

    std::fs::remove_file(keys.path().join("key-1.pem")).unwrap();
    wait_for_keys(&relay, 1).await;
    assert_eq!(introspect(&relay, &key, &former.access).await["active"], false);
    assert_eq!(introspect(&relay, &key, &next.access).await["active"], true);
    assert_eq!(refresh_error(&relay, &former).await, None, "refresh tokens do not depend on it");
}

#[tokio::test]
async fn a_folder_that_cannot_be_used_leaves_the_keys_as_they_were() {
    let keys = tempfile::tempdir().unwrap();
    write_key(keys.path(), "key-1.pem", 1);
    let relay = start_with(|config, _| config.oauth.keys_dir = Some(keys.path().to_owned())).await;
    let before = published(&relay).await;
    std::fs::write(keys.path().join("key-2.pem"), "no key").unwrap();
    eventually("the relay has looked at it", async || {
        let refused = "msg2agent_relay_oauth_key_reloads_total{result=\"refused\"}";
        relay.metric(refused).await.filter(|count| *count >= 1.0)
    })
    .await;
    assert_eq!(published(&relay).await, before);
}
