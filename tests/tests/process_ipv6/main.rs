//! Tests the programs in network namespaces that have IPv6 addresses only, as the pods of an
//! IPv6-only cluster: each serves its listeners at the addresses that the operator and the chart
//! give it, and the node asks it from outside.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot set itself up should fail on the spot"
)]

mod node;
mod pod;
mod pod_files;
mod programs;
