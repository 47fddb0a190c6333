//! Tests of invalid frames.

use futures::SinkExt as _;
use protocol::Reason;
use protocol::close::CloseCode;
use protocol::limits::FRAME_BYTES_MAX;
use tokio_tungstenite::tungstenite::Message;

use crate::agent::Agent;
use crate::harness::start;

#[tokio::test]
async fn a_frame_that_cannot_be_read_is_answered_and_the_connection_stays_open() {
    let relay = start().await;
    let (mut alice, _) = Agent::join(&relay, "alice").await;
    for (text, reason) in [
        ("{", Reason::Malformed),
        ("[]", Reason::Malformed),
        (r#"{"jsonrpc":"2.0","jsonrpc":"2.0","id":1,"method":"m"}"#, Reason::Malformed),
        (r#"{"jsonrpc":"1.0","id":1,"method":"m"}"#, Reason::InvalidRequest),
        (r#"{"jsonrpc":"2.0","id":null,"method":"message.send","params":{}}"#, Reason::InvalidRequest),
    ] {
        alice.text(text.into()).await;
        assert_eq!(alice.unreadable_error().await, reason, "{text}");
    }
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    alice.text(deep).await;
    assert_eq!(alice.unreadable_error().await, Reason::Malformed);
    let unknown = alice.call::<()>("relay.typing", &serde_json::json!({})).await;
    assert_eq!(unknown, Err(Reason::UnknownMethod));
}

#[tokio::test]
async fn a_client_that_sends_only_unreadable_frames_is_closed() {
    let relay = start().await;
    let (mut alice, _) = Agent::join(&relay, "alice").await;
    for _ in 0..20 {
        alice.text("nonsense".into()).await;
    }
    assert_eq!(alice.closed().await, CloseCode::Malformed.number());
}

#[tokio::test]
async fn a_frame_that_is_too_big_closes_with_its_own_code() {
    let relay = start().await;
    let (mut alice, _) = Agent::join(&relay, "alice").await;
    // The relay may close the connection before all of it is written.
    let _ = alice.socket.send(Message::text(" ".repeat(FRAME_BYTES_MAX + 1))).await;
    assert_eq!(alice.closed().await, CloseCode::TooBig.number());
}

#[tokio::test]
async fn a_binary_frame_closes_the_connection() {
    let relay = start().await;
    let (mut alice, _) = Agent::join(&relay, "alice").await;
    alice.socket.send(Message::binary(vec![1, 2, 3])).await.unwrap();
    assert_eq!(alice.closed().await, CloseCode::Malformed.number());
}

#[tokio::test]
async fn an_acknowledgement_beyond_the_last_delivery_closes_the_connection() {
    let relay = start().await;
    let (mut alice, _) = Agent::join(&relay, "alice").await;
    alice.ack(7).await;
    assert_eq!(alice.closed().await, CloseCode::Policy.number());
}
