//! The relay as a process and agents of the SDK around it: what holds when something dies, and what nobody gets to see.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot set itself up should fail on the spot"
)]

mod administration;
mod agents;
mod dev;
mod doctor;
mod durability;
mod examples;
mod forgery;
mod identity;
mod line;
mod m2a;
mod operator_settings;
mod reconnect;
mod secrecy;
mod tenant_wall;
mod tenants;
