//! Proofs about the protocol crate as others use it: golden fixtures, published vectors, properties, and changed bytes.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod actors;
mod error_name;
mod golden;
mod mutation;
mod properties;
mod routing_agreement;
mod tamper;
mod wycheproof;
