//! Tests of a restart: stored messages survive it.

use daemon::Shutdown;
use msg2agent_relay::startup::Relay;
use protocol::close::CloseCode;
use protocol::frame::SendStatus;
use sqlx::ConnectOptions as _;
use sqlx::sqlite::SqliteConnectOptions;

use crate::agent::{Agent, did, identity};
use crate::harness::{config, eventually, start, start_with};

#[tokio::test]
async fn a_thousand_stored_messages_survive_a_restart_once_and_in_order() {
    let relay = start_with(|config, _| config.limits.sends_burst = 2_000).await;
    let (mut alice, alices_key) = Agent::join(&relay, "alice").await;
    let key = relay.agent_with_key("bob").await;
    let mut sent = Vec::new();
    for _ in 0..1_000 {
        let envelope = alice.envelope(&did("bob"));
        sent.push(envelope.clone());
        alice.submit(&envelope).await;
    }
    for request in 1..=1_000 {
        assert_eq!(alice.status(request + 2).await, Ok(SendStatus::Stored));
    }
    let relay = relay.restart().await;
    assert_eq!(alice.closed().await, CloseCode::Restart.number());
    let mut bob = Agent::open(&relay, &key, identity(&did("bob"))).await.unwrap();
    assert_eq!(bob.registered.pending, 1_000);
    let ids: Vec<_> = sent.iter().map(|envelope| envelope.id).collect();
    assert_eq!(bob.take(1_000).await, ids);

    let mut alice = Agent::open(&relay, &alices_key, alice.identity).await.unwrap();
    let again = sent.first().unwrap();
    // It is `stored` until the removal of the acknowledged message is on disk.
    let delivered = async || (alice.send(again).await.unwrap() == SendStatus::Delivered).then_some(());
    eventually("it is remembered over the restart", delivered).await;
    let new = alice.envelope(&did("bob"));
    alice.submit(&new).await;
    assert_eq!(bob.take(1).await, [new.id], "and not delivered again");
}

#[tokio::test]
async fn a_message_in_flight_at_shutdown_is_stored_first() {
    let relay = start().await;
    let (mut alice, _) = Agent::join(&relay, "alice").await;
    let (mut bob, key) = Agent::join(&relay, "bob").await;
    let envelope = alice.envelope(&bob.did);
    let sent = alice.submit(&envelope).await;
    bob.delivery().await;
    relay.begin_shutdown();
    assert_eq!(alice.status(sent).await, Ok(SendStatus::Stored));
    assert_eq!(bob.closed().await, CloseCode::Restart.number());
    let relay = relay.restart().await;
    let mut bob = Agent::open(&relay, &key, bob.identity).await.unwrap();
    assert_eq!(bob.take(1).await, [envelope.id]);
}

#[tokio::test]
async fn probes_are_served_before_the_mailboxes_are_restored() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let folder = tempfile::tempdir().unwrap();
    let relay = Relay::bind(config(folder.path()), daemon::build_info!()).await.unwrap();
    let health = format!("http://{}", relay.health_address().unwrap());
    let admin = format!("http://{}/admin/v1/tenants", relay.admin_address().unwrap());
    // The restore waits for this lock.
    let file = msg2agent_relay::store::mailbox_path(&folder.path().join("data"));
    let mut other = SqliteConnectOptions::new().filename(file).connect().await.unwrap();
    sqlx::query("begin immediate").execute(&mut other).await.unwrap();
    let shutdown = Shutdown::new();
    let running = tokio::spawn(relay.run(shutdown.clone()));

    let status = async |url: String| reqwest::get(url).await.unwrap().status().as_u16();
    assert_eq!(status(format!("{health}/livez")).await, 200);
    assert_eq!(status(format!("{health}/readyz")).await, 503);
    sqlx::query("rollback").execute(&mut other).await.unwrap();
    assert_eq!(status(admin).await, 401, "it waited for the restore");
    let ready = async || (status(format!("{health}/readyz")).await == 200).then_some(());
    eventually("the relay is ready", ready).await;
    shutdown.begin();
    running.await.unwrap().unwrap();
}
