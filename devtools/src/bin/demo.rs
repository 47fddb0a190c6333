//! `make demo`: builds everything, then shows it on a cluster.

use std::{ffi::OsString, io, os::unix::process::CommandExt as _, path::PathBuf, process::Command};

use anyhow::Context as _;
use clap::Parser;
use msg2agent_devtools::{cluster, demo, install_tls_provider};

/// Two agents, one proven conversation and Claude Code, on a cluster that stays up.
#[derive(Debug, Parser)]
#[command(name = "demo")]
struct Arguments {
    /// Folder of the cluster. Default: .demo in the repository.
    #[arg(long, value_name = "FOLDER")]
    folder: Option<PathBuf>,
    /// The programs are built already.
    #[arg(long)]
    built: bool,
    /// Only the part with Claude Code, inside the cluster; started by the demonstration.
    #[arg(long, hide = true)]
    claude: bool,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    if !arguments.built {
        demo::programs::build()?;
    }
    if cluster::only_root_is_missing() && cluster::can_sudo() {
        return Err(as_root()).context("go on by sudo");
    }
    install_tls_provider();
    let runtime = tokio::runtime::Runtime::new().context("start the runtime")?;
    if arguments.claude {
        return runtime.block_on(demo::claude::talk());
    }
    let folder = cluster::open_folder(arguments.folder.as_deref())?;
    runtime.block_on(demo::run(folder))
}

/// Goes on by sudo, with this PATH; returns only when that is impossible.
fn as_root() -> io::Error {
    let mut path = OsString::from("PATH=");
    path.push(std::env::var_os("PATH").unwrap_or_default());
    Command::new("sudo").args(["-n", "-E", "env"]).arg(path).args(std::env::args_os()).arg("--built").exec()
}
