//! Bytes of memory that a registered connection holds while nothing happens on it.

use protocol::api_key::ApiKey;
use stats_alloc::INSTRUMENTED_SYSTEM;

use crate::COUNTING;
use crate::agent::{Agent, did, identity};
use crate::harness::{TestRelay, eventually, start};
use crate::raw_agent::RawAgent;

const CONNECTIONS: usize = 200;
/// Bytes of one: 3 KiB, and a little for the client's socket.
const CONNECTION_BYTES_MAX: usize = 3200;

fn allocated() -> usize {
    let stats = INSTRUMENTED_SYSTEM.stats();
    stats.bytes_allocated - stats.bytes_deallocated
}

/// Waits until the relay has this many connections, and all of them are idle.
async fn settle(relay: &TestRelay, connections: usize) {
    eventually("the number of connections", async || {
        let found = relay.metric("msg2agent_relay_sockets").await?;
        (found == connections as f64).then_some(())
    })
    .await;
}

#[tokio::test]
async fn an_idle_connection_holds_no_buffers() {
    let _alone = COUNTING.lock().await;
    let relay = start().await;
    let mut known: Vec<(ApiKey, _)> = Vec::new();
    let mut first = Vec::new();
    for number in 0..CONNECTIONS {
        let name = format!("agent-{number}");
        let (key, identity) = (relay.agent_with_key(&name).await, std::sync::Arc::new(identity(&did(&name))));
        first.push(Agent::open(&relay, &key, std::sync::Arc::clone(&identity)).await.unwrap());
        known.push((key, identity));
    }
    drop(first);
    settle(&relay, 0).await;
    let before = allocated();
    let mut idle = Vec::with_capacity(CONNECTIONS);
    for (key, identity) in &known {
        let agent = Agent::open(&relay, key, std::sync::Arc::clone(identity)).await.unwrap();
        idle.push(RawAgent::new(agent));
    }
    settle(&relay, CONNECTIONS).await;
    let bytes = allocated().saturating_sub(before) / CONNECTIONS;
    println!("{bytes} bytes for each idle connection");
    drop(idle);
    settle(&relay, 0).await;
    relay.stop().await;
    assert!(bytes <= CONNECTION_BYTES_MAX, "{bytes} bytes");
}
