//! Tests what only a real API server shows: the rules of the custom resources, and that the test
//! cluster works as a cluster does.
//!
//! The cluster in `target/test-cluster` stays up for the next run; `cluster --folder
//! target/test-cluster down` ends it.

mod cluster;
mod definitions;
mod environment;
mod shared;
