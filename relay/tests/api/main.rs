//! What the relay does over its sockets. Each test runs a relay of its own, on free ports and a
//! fresh folder.

#![expect(clippy::unwrap_used, reason = "a test that cannot set itself up should fail on the spot")]

mod admin;
mod agent;
mod binary;
mod delivery;
mod documents;
mod frames;
mod harness;
mod killed;
mod listener;
mod oauth;
mod registration;
mod restart;
mod sessions;
mod tls;
mod vital_tasks;
