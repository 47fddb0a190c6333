//! What the end-to-end suites, the demo and the benchmarks share: a cluster, images, processes, faults and waiting.

pub mod binding;
pub mod browser;
pub mod chromium;
pub mod claude_code;
pub mod cluster;
pub mod command;
pub mod declared;
pub mod demo;
pub mod eventually;
pub mod fault_proxy;
pub mod free_port;
pub mod gateway_site;
pub mod image;
pub mod installed;
pub mod load;
pub mod log_check;
pub mod mcp_clients;
pub mod mcp_load;
pub mod memory;
pub mod namespace;
pub mod npm;
pub mod oauth_client;
pub mod opbench;
pub mod pod_process;
pub mod process;
pub mod programs;
pub mod relay_door;
pub mod relay_process;
pub mod service_door;

use std::path::{Path, PathBuf};

/// The repository's root folder, as it was at build time.
pub fn repository() -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests.parent().unwrap_or(tests).to_owned()
}

/// Makes ring the process's TLS provider; a second call changes nothing.
pub fn install_tls_provider() {
    // The error means that one is installed, and every crate here installs the same.
    drop(rustls::crypto::ring::default_provider().install_default());
}
