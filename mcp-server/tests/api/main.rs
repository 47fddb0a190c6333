//! The endpoint over real sockets, with a network that answers by itself: MCP clients of both eras, and callers who should
//! not get in.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that cannot set itself up should fail on the spot"
)]

mod eras;
mod gateway;
mod hostile;
mod resources;
mod served;
mod sign_in;
mod task_handles;
mod tls;
