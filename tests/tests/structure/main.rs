//! Holds the structure of the workspace: who may depend on whom, and the names that modules may not have.

mod crate_graph;
mod names;
