//! A test of a relay process that is killed.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;

use protocol::api_key::ApiKey;
use protocol::frame::SendStatus;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

use crate::agent::{Agent, did, identity};
use crate::harness::{agent_spec, new_key};

struct Process {
    child: Child,
    address: SocketAddr,
    admin: String,
}

impl Process {
    async fn start(home: &Path) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_msg2agent-relay"))
            .env_clear()
            .env("HOME", home)
            .args(["--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--domain", "localhost"])
            .kill_on_drop(true)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let agents = lines.next_line().await.unwrap().unwrap();
        let admin = lines.next_line().await.unwrap().unwrap();
        let address = between(&agents, "listening on ", ",").parse().unwrap();
        Self { child, address, admin: between(&admin, "admin API on ", " ").to_owned() }
    }

    async fn agent_with_key(&self, home: &Path, name: &str) -> ApiKey {
        let token = home.join(".local/share/msg2agent/relay/admin-token");
        let key = new_key();
        let put = reqwest::Client::new()
            .put(format!("{}/tenants/default/agents/{name}", self.admin))
            .bearer_auth(std::fs::read_to_string(token).unwrap())
            .json(&agent_spec(&[(&key, None)]));
        put.send().await.unwrap().error_for_status().unwrap();
        key
    }
}

fn between<'a>(text: &'a str, before: &str, after: &str) -> &'a str {
    text.split_once(before).unwrap().1.split(after).next().unwrap()
}

#[tokio::test]
async fn every_message_that_was_answered_stored_is_there_once_and_in_order() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let home = tempfile::tempdir().unwrap();
    let mut relay = Process::start(home.path()).await;
    let alices_key = relay.agent_with_key(home.path(), "alice").await;
    let bobs_key = relay.agent_with_key(home.path(), "bob").await;
    let mut alice = Agent::open(&relay.address, &alices_key, identity(&did("alice"))).await.unwrap();
    let mut stored = Vec::new();
    for _ in 0..1_000 {
        let envelope = alice.envelope(&did("bob"));
        stored.push(envelope.id);
        alice.submit(&envelope).await;
    }
    for request in 1..=1_000 {
        assert_eq!(alice.status(request + 2).await, Ok(SendStatus::Stored));
    }
    relay.child.kill().await.unwrap();

    let relay = Process::start(home.path()).await;
    let mut bob = Agent::open(&relay.address, &bobs_key, identity(&did("bob"))).await.unwrap();
    assert_eq!(bob.registered.pending, 1_000);
    assert_eq!(bob.take(1_000).await, stored);
    assert!(bob.deliveries.is_empty());
}
