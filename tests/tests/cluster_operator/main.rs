//! Installs both charts on a real cluster and tests what the operator does with Relays, Tenants and
//! Agents.
//!
//! The suite has a separate cluster, because a running operator acts on every object in it.
//! `scripts/test.sh` ends it.

#![expect(clippy::unwrap_used, reason = "a test that cannot set itself up should fail on the spot")]

mod admission_policy;
mod claude_code;
mod control_plane;
mod doctor;
mod gateway;
mod paused;
mod settings_file;
mod sign_in;
mod workloads;
