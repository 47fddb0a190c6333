//! Holds the structure of the workspace: who may depend on whom, names that modules may not have,
//! tests that pages name.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that cannot set itself up should fail on the spot"
)]

mod crate_graph;
mod limits;
mod names;
mod weaknesses;
mod workspace;
