//! The authorization server over its sockets, without a relay: the trait `Relay` has to be enough.

#![expect(clippy::indexing_slicing, reason = "a missing member should fail the test on the spot")]

mod browser;
mod discovery;
mod fake_relay;
mod server;
mod sign_in;
