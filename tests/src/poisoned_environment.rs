//! Environment variables that point to a trap: KUBECONFIG, the options of helm and every proxy
//! variable name a listener on this machine that counts its connections. What the suites and tools
//! start must never connect to it.

use std::net::TcpListener;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context as _, ensure};
use serde_json::json;
use tempfile::TempDir;

/// The trap is open as long as this process runs.
#[derive(Debug)]
pub struct PoisonedEnvironment {
    address: String,
    connections: Arc<AtomicUsize>,
    folder: TempDir,
}

impl PoisonedEnvironment {
    /// Opens the trap and writes the kubeconfig of a cluster named `production` at its address.
    ///
    /// # Errors
    /// No free port, or no temporary folder.
    pub fn new() -> anyhow::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).context("listen on loopback")?;
        let address = listener.local_addr()?.to_string();
        let connections = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&connections);
        std::thread::spawn(move || {
            for connection in listener.incoming() {
                counted.fetch_add(1, Ordering::SeqCst);
                drop(connection);
            }
        });
        let folder = tempfile::tempdir().context("make a folder for the kubeconfig")?;
        let kubeconfig = json!({
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "production",
            "contexts": [{ "name": "production", "context": { "cluster": "production", "user": "me" } }],
            "clusters": [{ "name": "production", "cluster": { "server": format!("https://{address}") } }],
            "users": [{ "name": "me", "user": { "token": "not-a-token" } }],
        });
        std::fs::write(folder.path().join("config"), kubeconfig.to_string())
            .context("write the kubeconfig")?;
        Ok(Self { address, connections, folder })
    }

    /// The variables with their values.
    #[must_use]
    pub fn variables(&self) -> Vec<(&'static str, String)> {
        let proxy = format!("http://{}", self.address);
        let proxies = ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"];
        let mut variables: Vec<_> = proxies.into_iter().map(|name| (name, proxy.clone())).collect();
        variables.extend([
            ("NO_PROXY", String::new()),
            ("no_proxy", String::new()),
            ("KUBECONFIG", self.folder.path().join("config").display().to_string()),
            ("MSG2AGENT_KUBE_CONTEXT", "production".to_owned()),
            ("HELM_KUBECONTEXT", "production".to_owned()),
            ("HELM_KUBEAPISERVER", format!("https://{}", self.address)),
        ]);
        variables
    }

    /// Fails when something has connected.
    ///
    /// # Errors
    /// The number of connections.
    pub fn ensure_unused(&self) -> anyhow::Result<()> {
        let connections = self.connections.load(Ordering::SeqCst);
        ensure!(connections == 0, "{connections} connections went where the environment points");
        Ok(())
    }
}

/// Runs one test of this test program again, in a poisoned environment. `test` is its full name,
/// such as `cluster::a_pod_runs`. Blocks until it ends.
///
/// # Errors
/// The test fails or does not exist, or something followed the environment.
pub fn run_test_poisoned(test: &str) -> anyhow::Result<()> {
    let environment = PoisonedEnvironment::new()?;
    let program = std::env::current_exe().context("find this test program")?;
    let output = Command::new(program).args(["--exact", test]).envs(environment.variables()).output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    ensure!(output.status.success() && text.contains("test result: ok. 1 passed"), "{test}: {text}");
    environment.ensure_unused()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_is_noticed() {
        let environment = PoisonedEnvironment::new().unwrap();
        environment.ensure_unused().unwrap();
        let mut connection = std::net::TcpStream::connect(&environment.address).unwrap();
        // The listener closes the connection after it was counted.
        std::io::copy(&mut connection, &mut std::io::sink()).unwrap();
        assert!(environment.ensure_unused().is_err());
    }
}
