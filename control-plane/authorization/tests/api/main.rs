//! The authorization server over its sockets, without a relay: the trait `Relay` has to be enough.

#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot go on should fail on the spot"
)]

mod browser;
mod discovery;
mod fake_relay;
mod server;
mod sign_in;
