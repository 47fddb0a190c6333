//! Restarts the gateways one after the other under load. Every call that fails carries the advice
//! to retry.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use devtools::gateway_site::{Gateway, GatewaySite};
use devtools::http_client;
use reqwest::StatusCode;
use serde_json::{Value, json};

use super::key;

/// Calls that are always under way.
const CALLERS: usize = 12;

#[derive(Default)]
struct Counted {
    done: AtomicU64,
    /// Refused with Retry-After.
    told: AtomicU64,
    stop: AtomicBool,
}

/// As a Service does: only what is ready gets new connections, and what has one keeps it.
async fn is_ready(gateway: (u16, u16)) -> bool {
    let ready = http_client::get(&format!("http://127.0.0.1:{}/readyz", gateway.1)).await;
    ready.is_ok_and(|answer| answer.status().is_success())
}

async fn keep_calling(gateways: Vec<(u16, u16)>, credential: String, counted: Arc<Counted>, first: usize) {
    let http = http_client::new().unwrap();
    let mut at = first % gateways.len();
    while !counted.stop.load(Ordering::Relaxed) {
        let params = json!({"name": "message_count", "arguments": {}});
        let request = Gateway::request_at(&http, gateways[at].0, &credential, "tools/call", params);
        let answer = request.send().await.unwrap();
        let status = answer.status();
        let closes = answer.headers().get("connection").is_some_and(|value| value == "close");
        let retry = answer.headers().contains_key("retry-after");
        let body: Value = answer.json().await.unwrap();
        if status == StatusCode::OK && body["result"]["isError"] != true {
            counted.done.fetch_add(1, Ordering::Relaxed);
        } else {
            assert!(retry, "{status} without Retry-After: {body}");
            counted.told.fetch_add(1, Ordering::Relaxed);
        }
        if closes {
            let other = (at + 1) % gateways.len();
            if is_ready(gateways[other]).await {
                at = other;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rolling_restart_under_load_fails_no_call_that_was_not_told_to_try_again() {
    let mut site = GatewaySite::start(&["alice", "bob"], 2).await.unwrap();
    let gateways: Vec<_> = site.gateways.iter().map(|gateway| (gateway.port, gateway.admin_port)).collect();
    let counted = Arc::new(Counted::default());
    let callers: Vec<_> = (0..CALLERS)
        .map(|n| {
            tokio::spawn(keep_calling(
                gateways.clone(),
                key(&site, n % 2).to_owned(),
                Arc::clone(&counted),
                n,
            ))
        })
        .collect();
    for gateway in &mut site.gateways {
        let before = counted.done.load(Ordering::Relaxed);
        assert_eq!(gateway.end().await.unwrap(), 0);
        gateway.start_again().await.unwrap();
        assert!(counted.done.load(Ordering::Relaxed) > before, "the other gateway served in this time");
    }
    counted.stop.store(true, Ordering::Relaxed);
    for caller in callers {
        caller.await.unwrap();
    }
    let (done, told) = (counted.done.load(Ordering::Relaxed), counted.told.load(Ordering::Relaxed));
    eprintln!(
        "rolling restart of two gateways: {done} calls done, {told} with the advice to retry, 0 failed"
    );
}
