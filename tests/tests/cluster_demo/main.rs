//! Tests the first command of the README: the demo as a program, on a cluster that it starts.

#![expect(clippy::unwrap_used, reason = "a test that cannot set itself up should fail on the spot")]

mod demo;
mod killed_cluster;
