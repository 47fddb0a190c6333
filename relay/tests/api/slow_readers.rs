//! Tests of clients that read slowly or not at all, and of the close frames that they get.

use std::time::{Duration, Instant};

use protocol::Envelope;
use protocol::close::CloseCode;
use protocol::frame::SendStatus;
use protocol::limits::IDLE_TIMEOUT;
use tokio::io::AsyncReadExt as _;
use tokio::time::{interval, timeout};

use crate::agent::Agent;
use crate::harness::{TEST_TIMEOUT, TestRelay, eventually_after, start};

/// Bytes of the body of a large message: more than the kernel takes for a client that does not
/// read.
const LARGE_BYTES: usize = 900_000;
/// Bytes that the slow reader takes in each second.
const SLOW_BYTES: usize = 13_000;
/// How long the relay waits for a socket that takes no bytes.
const STALL_TIMEOUT: Duration = Duration::from_secs(15);
/// A little longer than the relay waits for a silent connection.
const OBSERVED_TIMEOUT: Duration = IDLE_TIMEOUT.saturating_add(Duration::from_secs(5));

/// Bob, on the way to whom is a large message.
async fn recipient_of_large(relay: &TestRelay) -> Agent {
    let (mut alice, bob) = (Agent::join(relay, "alice").await.0, Agent::join(relay, "bob").await.0);
    let envelope = Envelope { body: "A".repeat(LARGE_BYTES), ..alice.envelope(&bob.did) };
    assert_eq!(alice.send(&envelope).await, Ok(SendStatus::Stored));
    bob
}

async fn closes(relay: &TestRelay, code: CloseCode) -> Option<f64> {
    relay.metric(&format!("msg2agent_relay_closes_total{{code=\"{}\"}}", code.number())).await
}

#[tokio::test]
async fn a_reader_that_stops_gets_1013_when_it_reads_again() {
    let relay = start().await;
    let mut bob = recipient_of_large(&relay).await;
    eventually_after(STALL_TIMEOUT, "the end of the connection", async || {
        (closes(&relay, CloseCode::TryAgain).await == Some(1.0)).then_some(())
    })
    .await;
    assert_eq!(bob.closed().await, CloseCode::TryAgain.number());
}

#[tokio::test]
async fn a_reader_of_a_large_frame_is_alive_for_as_long_as_it_reads() {
    let relay = start().await;
    let bob = recipient_of_large(&relay).await;
    // Nothing answers the relay's pings from here on.
    let mut stream = bob.socket.into_inner();
    let (started, mut seconds) = (Instant::now(), interval(Duration::from_secs(1)));
    let (mut slice, mut taken) = (vec![0; SLOW_BYTES], 0);
    while started.elapsed() < OBSERVED_TIMEOUT {
        seconds.tick().await;
        taken += stream.read_exact(&mut slice).await.unwrap();
    }
    let mut rest = vec![0; LARGE_BYTES - taken];
    timeout(TEST_TIMEOUT, stream.read_exact(&mut rest)).await.unwrap().unwrap();
    assert_eq!(closes(&relay, CloseCode::GoingAway).await, None);
}

#[tokio::test]
async fn a_silent_client_gets_1001() {
    let relay = start().await;
    let (bob, _) = Agent::join(&relay, "bob").await;
    let mut stream = bob.socket.into_inner();
    let mut received = Vec::new();
    timeout(IDLE_TIMEOUT + TEST_TIMEOUT, stream.read_to_end(&mut received)).await.unwrap().unwrap();
    let code = CloseCode::GoingAway.number().to_be_bytes();
    assert!(received.ends_with(&[&[0x88, 2], &code[..]].concat()), "{received:?}");
}
