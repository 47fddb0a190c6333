//! The endpoint and the gateway over real sockets, with a scripted network: MCP clients of both
//! eras, and callers that must be rejected.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that cannot set itself up should fail on the spot"
)]

mod eras;
mod gateway;
mod hostile;
mod readiness;
mod resources;
mod sign_in;
mod silent;
mod task_handles;
mod test_endpoint;
mod tls;
