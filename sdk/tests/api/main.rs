//! The SDK against a scripted relay, where faults can be injected, and the command line as a process. The real relay comes in
//! the top-level tests.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::result_large_err,
    reason = "a test that cannot set itself up should fail on the spot; tungstenite wants callbacks of that shape"
)]

mod cli;
mod connection;
mod identities;
mod inbox;
mod lookups;
mod peer;
mod requests;
mod scene;
mod sending;
mod verify;
