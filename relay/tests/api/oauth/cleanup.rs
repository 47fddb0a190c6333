//! The deletion of expired rows.

use super::person::*;
use super::store;
use crate::harness::{TestRelay, eventually, start};

const TABLES: [&str; 5] = [
    "select count(*) from oauth_codes",
    "select count(*) from oauth_refresh_tokens",
    "select count(*) from oauth_grants",
    "select count(*) from oauth_clients",
    "select count(*) from oauth_invitations where used = 0",
];

async fn count_rows(relay: &TestRelay) -> [i64; 5] {
    let mut counts = [0; 5];
    for (count, query) in counts.iter_mut().zip(TABLES) {
        *count = store::number(relay, query).await;
    }
    counts
}

#[tokio::test]
async fn expired_rows_are_deleted_and_others_remain() {
    let relay = start().await;
    let key = put_alice(&relay, &[]).await;
    let connected = [connect(&relay).await, connect(&relay).await];
    invite(&relay, None).await;
    register(&relay).await;
    assert_eq!(count_rows(&relay).await, [2, 2, 2, 3, 1]);
    for statement in [
        "update oauth_refresh_tokens set expires = 1 where hash = (select min(hash) from oauth_refresh_tokens)",
        "update oauth_codes set expires = 1",
        "update oauth_invitations set expires = 1 where used = 0",
        "update oauth_clients set registered = 1",
    ] {
        assert!(store::change(&relay, statement).await >= 1, "{statement}");
    }
    let relay = relay.restart().await;
    eventually("expired rows are deleted", async || {
        (count_rows(&relay).await == [1, 1, 1, 2, 0]).then_some(())
    })
    .await;
    let mut active = Vec::new();
    for connected in &connected {
        active.push(introspect(&relay, &key, &connected.access).await["active"] == true);
    }
    active.sort_unstable();
    assert_eq!(
        active,
        [false, true],
        "one grant ended with its last refresh token, the other is still valid"
    );
}
