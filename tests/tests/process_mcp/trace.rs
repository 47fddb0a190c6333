//! Shows that the trace of a caller continues in the spans that the server and the relay export.

use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::routing::post;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use crate::endpoint::Endpoint;

/// Exports go out every 5 s.
const EXPORT_TIMEOUT: Duration = Duration::from_secs(30);

/// A collector on loopback: its port, and what it is sent.
async fn collector() -> (u16, mpsc::UnboundedReceiver<Bytes>) {
    let (sent, received) = mpsc::unbounded_channel();
    let collect = move |body: Bytes| {
        let sent = sent.clone();
        // The test may have seen enough.
        async move { drop(sent.send(body)) }
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let router = Router::new().route("/v1/traces", post(collect));
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    (port, received)
}

/// Waits until there was, for each of these, an export that holds all its parts.
async fn exported(received: &mut mpsc::UnboundedReceiver<Bytes>, wanted: &[&[&[u8]]]) {
    let mut missing: Vec<_> = wanted.iter().collect();
    let found = async {
        while !missing.is_empty() {
            let body = received.recv().await.unwrap();
            let holds = |part: &&[u8]| body.windows(part.len()).any(|window| window == *part);
            missing.retain(|parts| !parts.iter().all(holds));
        }
    };
    let found = tokio::time::timeout(EXPORT_TIMEOUT, found).await;
    assert!(found.is_ok(), "not in any export: {missing:?}");
}

#[tokio::test]
async fn a_call_and_what_the_relay_does_for_it_are_part_of_the_callers_trace() {
    let (port, mut received) = collector().await;
    let endpoint = Endpoint::start_with_collector(port).await;
    for (trace, in_meta) in [(0x11, false), (0x22, true)] {
        let parent = format!("00-{}-{}-01", format!("{trace:x}").repeat(16), "33".repeat(8));
        let meta = if in_meta { json!({"traceparent": parent}) } else { json!({}) };
        let mut request = endpoint.request("send_message", json!({"to": "bob", "text": "x"}), meta).unwrap();
        if !in_meta {
            request = request.header("traceparent", &parent);
        }
        let answer: Value = request.send().await.unwrap().json().await.unwrap();
        assert!(answer["result"]["structuredContent"]["id"].is_string(), "{answer}");
        let at_relay: [&[u8]; 3] = [&[trace; 16], b"msg2agent-relay", b"message.send"];
        let at_endpoint: [&[u8]; 4] = [&[trace; 16], &[0x33; 8], b"tools/call", b"send_message"];
        exported(&mut received, &[&at_relay, &at_endpoint]).await;
    }
}
