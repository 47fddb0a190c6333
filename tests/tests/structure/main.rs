//! Holds the structure of the workspace: who may depend on whom, names that modules may not have, tests that pages name.

mod crate_graph;
mod names;
mod weaknesses;
