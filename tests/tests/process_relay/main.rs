//! Tests the relay as a process with agents of the SDK: what survives a crash, what stays secret,
//! and what forged messages reach.

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
mod environment;
mod examples;
mod forgery;
mod identity;
mod m2a;
mod offline_traffic;
mod operator_settings;
mod raw_connection;
mod reconnect;
mod secrecy;
mod stored_messages;
mod tenant_isolation;
mod tenants;
mod unread_output;
