//! Runs the demo. `make demo` builds the programs and calls it.

use std::{
    ffi::OsString, io, os::unix::process::CommandExt as _, path::PathBuf, process::Command, time::Duration,
};

use anyhow::Context as _;
use clap::Parser;
use msg2agent_devtools::{
    cluster::{self, options::ClusterOptions},
    demo::{self, DemoOptions, PROMISE_TIMEOUT},
    install_tls_provider, repository,
};

/// Two agents, one proven conversation and Claude Code, on a cluster that stays up. The programs
/// must be built.
#[derive(Debug, Parser)]
#[command(name = "demo")]
struct Arguments {
    /// Folder of the cluster. Default: .demo in the repository.
    #[arg(long, value_name = "FOLDER")]
    folder: Option<PathBuf>,
    #[command(flatten)]
    cluster: ClusterOptions,
    /// File for the proof. Default: proof.json in the repository.
    #[arg(long, value_name = "FILE")]
    proof: Option<PathBuf>,
    /// End after the verified proof.
    #[arg(long)]
    without_claude_code: bool,
    /// Seconds that the way from helm install to the verified proof may take.
    #[arg(long, default_value_t = PROMISE_TIMEOUT.as_secs())]
    promise_seconds: u64,
    /// Only the part with Claude Code, inside the cluster of this kubeconfig. The demo starts
    /// itself with this option.
    #[arg(long, hide = true, value_name = "KUBECONFIG")]
    claude_code_with: Option<PathBuf>,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let request = arguments.cluster.request()?;
    if cluster::only_root_is_missing(&request) && cluster::can_sudo() {
        return Err(as_root()).context("restart the demo with sudo");
    }
    install_tls_provider();
    let runtime = tokio::runtime::Runtime::new().context("start the runtime")?;
    if let Some(kubeconfig) = arguments.claude_code_with {
        return runtime.block_on(demo::claude::talk(&kubeconfig));
    }
    let folder = cluster::open_folder(arguments.folder.as_deref())?;
    let options = DemoOptions {
        request,
        proof: arguments.proof.unwrap_or_else(|| repository().join("proof.json")),
        promise: Duration::from_secs(arguments.promise_seconds),
        claude_code: !arguments.without_claude_code,
    };
    runtime.block_on(demo::run(folder, options))
}

/// Becomes the same command by sudo, with this PATH; returns only when that is impossible.
fn as_root() -> io::Error {
    let mut path = OsString::from("PATH=");
    path.push(std::env::var_os("PATH").unwrap_or_default());
    Command::new("sudo").args(["-n", "-E", "env"]).arg(path).args(std::env::args_os()).exec()
}
