//! Tests of frames that do not arrive as one frame in one piece.

use protocol::Envelope;
use protocol::frame::{method, write_request};
use tokio::io::AsyncWriteExt as _;

use crate::agent::Agent;
use crate::harness::start;

/// More than three turns of a connection.
const MESSAGES: u64 = 100;

/// A frame of a client with a mask that changes nothing.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first, 0x80 | 126];
    bytes.extend_from_slice(&u16::try_from(payload.len()).unwrap().to_be_bytes());
    bytes.extend_from_slice(&[0; 4]);
    bytes.extend_from_slice(payload);
    bytes
}

/// One message, every second one in three fragments with a ping between them.
fn message_frames(number: u64, envelope: &Envelope) -> Vec<u8> {
    let mut text = Vec::new();
    write_request(&mut text, number, method::SEND, envelope);
    if number.is_multiple_of(2) {
        return frame(0x81, &text);
    }
    let (first, rest) = text.split_at(10);
    let (second, third) = rest.split_at(100);
    [frame(0x01, first), vec![0x89, 0x80, 0, 0, 0, 0], frame(0x00, second), frame(0x80, third)].concat()
}

#[tokio::test]
async fn messages_keep_their_order_however_their_bytes_arrive() {
    let relay = start().await;
    let (mut alice, _) = Agent::join(&relay, "alice").await;
    let (mut bob, _) = Agent::join(&relay, "bob").await;
    let envelopes: Vec<_> = (0..MESSAGES).map(|_| alice.ephemeral(&bob.did)).collect();
    let bytes: Vec<_> =
        (0..).zip(&envelopes).flat_map(|(number, envelope)| message_frames(number, envelope)).collect();
    let (front, back) = bytes.split_at(bytes.len() / 2 + 7);
    // The front comes in small pieces, the back in one that is longer than a turn.
    for piece in front.chunks(333).chain([back]) {
        alice.socket.get_mut().write_all(piece).await.unwrap();
        tokio::task::yield_now().await;
    }
    let sent: Vec<_> = envelopes.iter().map(|envelope| envelope.id).collect();
    assert_eq!(bob.take(envelopes.len()).await, sent);
    for number in 0..MESSAGES {
        alice.answer(number).await.unwrap();
    }
}
