//! Tests the MCP server as a process between a real relay and real clients: our own HTTP calls,
//! Claude Code, and other people's clients.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that cannot set itself up should fail on the spot"
)]

mod claude_code;
mod clients;
mod conformance;
mod doctor;
mod durability;
mod endpoint;
mod environment;
mod gateway;
mod large_inbox;
mod messages;
mod openclaw;
mod outage;
mod proxy;
mod quota;
mod secrecy;
mod session;
mod sign_in;
mod suspension;
mod tasks;
mod trace;
