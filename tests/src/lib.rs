//! Harness of the end-to-end suites: clusters, processes, waiting, faults.

pub mod load;
pub mod memory;
pub mod opbench;
