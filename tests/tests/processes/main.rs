//! The relay as a process and agents of the SDK around it: what holds when something dies, and what nobody gets to see.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot set itself up should fail on the spot"
)]

mod agents;
mod durability;
mod identity;
mod reconnect;
mod secrecy;
mod tenants;
