//! Runs the SDK against a scripted relay that injects faults. The top-level suites use a real
//! relay.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::result_large_err,
    reason = "a test that cannot set itself up should fail on the spot; tungstenite wants callbacks of that shape"
)]

mod announced_root_keys;
mod connected_agent;
mod connection;
#[cfg(feature = "direct")]
mod direct;
mod identities;
mod inbox;
mod lookups;
mod redelivery;
mod requests;
mod scripted_relay;
mod sending;
