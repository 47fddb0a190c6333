//! Tests of the operator over real sockets.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that cannot set itself up should fail on the spot"
)]

mod relay_client;
