//! Tests the protocol crate from outside: golden fixtures, published vectors, properties and
//! changed bytes.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot set itself up should fail on the spot"
)]

mod actors;
mod error_name;
mod golden;
mod mutation;
mod properties;
mod routing_agreement;
mod send_frame_agreement;
mod tamper;
mod wycheproof;

use golden::proofs::golden_proof;
