//! Provides the developer tools of msg2agent: the test cluster, the demo, the load generators, and
//! the processes that the suites start.

pub mod agent_folder;
pub mod claude_code;
pub mod cluster;
pub mod command;
pub mod demo;
pub mod eventually;
pub mod free_port;
pub mod gateway_site;
pub mod http_client;
pub mod image;
pub mod load;
pub mod mcp_load;
pub mod memory_usage;
pub mod mutants;
pub mod npm;
pub mod opbench;
pub mod open_files;
pub mod pod_process;
pub mod process;
pub mod programs;
pub mod python;
pub mod relay_process;

use std::path::{Path, PathBuf};

/// The repository's root folder, as it was at build time.
pub fn repository() -> PathBuf {
    let devtools = Path::new(env!("CARGO_MANIFEST_DIR"));
    devtools.parent().unwrap_or(devtools).to_owned()
}

/// Makes ring the process's TLS provider; a second call changes nothing.
pub fn install_tls_provider() {
    // The error means that one is installed, and every crate here installs the same.
    drop(rustls::crypto::ring::default_provider().install_default());
}
