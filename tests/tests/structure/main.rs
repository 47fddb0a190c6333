//! Holds the structure of the workspace: directions between crates and between modules, names,
//! sizes, and pages that cite code.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that cannot set itself up should fail on the spot"
)]

mod admin_api;
mod architecture;
mod circles;
mod crate_graph;
mod files;
mod generated_page;
mod limits;
mod line_lengths;
mod module_graph;
mod names;
mod public_types;
mod rust_code;
mod time_constants;
mod use_tree;
mod weaknesses;
mod workspace;
