//! Agents that can see each other exchange messages without the relay, and fall back to it by
//! themselves.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot set itself up should fail on the spot"
)]

mod agents;
mod numbered;
mod round_trip;
mod stolen_address;
mod switching;
