//! Is the command line of the test cluster: `cluster up`, `cluster run`, `cluster down`.

use std::{os::unix::process::CommandExt as _, path::PathBuf, process::Command};

use anyhow::Context as _;
use clap::{Parser, Subcommand};
use msg2agent_devtools::cluster::{
    self, Cluster, api_server_forward, node, options::ClusterOptions, record::Record, tools,
};

/// A Kubernetes cluster for tests and demos.
///
/// It is a real control plane and node in namespaces of this machine, unless an option of `up` asks
/// for another one. KUBECONFIG is used with `--context` only.
#[derive(Debug, Parser)]
#[command(name = "cluster")]
struct Arguments {
    /// Folder that holds the cluster's state; several clusters have several folders. Default: .demo
    /// in the repository.
    #[arg(long, global = true, value_name = "FOLDER")]
    folder: Option<PathBuf>,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Start the cluster, or do nothing when it runs; prints the line that makes kubectl use it.
    Up(ClusterOptions),
    /// Stop the cluster and every process that it started.
    Down,
    /// Say which cluster it is and whether it runs.
    Status,
    /// Open a shell inside, where *.svc.cluster.local resolves.
    Shell,
    /// Run a command inside.
    Run {
        #[arg(last = true, required = true, value_name = "COMMAND")]
        command: Vec<String>,
    },
    /// Put an image archive (`docker save`) onto the node.
    Load { archive: PathBuf },
    /// Print the path of the kubeconfig to use from this machine.
    Kubeconfig,
    /// Print the folder with kubectl, helm (version 4) and helm3, for PATH; fetches or builds them
    /// the first time.
    Tools,
    /// The cluster's first process; started by `up`.
    #[command(hide = true)]
    Node,
    /// The forwarder to the API server; started by `up`.
    #[command(hide = true)]
    Forward,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    if matches!(arguments.action, Action::Tools) {
        println!("{}", tools::folder()?.display());
        return Ok(());
    }
    if !cluster::is_root() && cluster::can_sudo() {
        return Err(as_root()).context("run this command again with sudo");
    }
    let folder = cluster::open_folder(arguments.folder.as_deref())?;
    match arguments.action {
        Action::Up(options) => {
            let cluster = Cluster::up(folder, &options.request()?)?;
            eprintln!("{}", described(&cluster));
            println!("export KUBECONFIG={}", cluster.kubeconfig().display());
            Ok(())
        }
        Action::Down => Cluster::down(&folder),
        Action::Status => Cluster::running(folder).map(|cluster| println!("{}", described(&cluster))),
        Action::Shell => {
            let shell = std::env::var("SHELL").unwrap_or_else(|_| "/bin/sh".into());
            Err(Cluster::running(folder)?.command(&shell).exec()).context("open a shell")
        }
        Action::Run { command } => {
            let (program, rest) = command.split_first().context("no command is given")?;
            Err(Cluster::running(folder)?.command(program).args(rest).exec()).context("run the command")
        }
        Action::Load { archive } => Cluster::running(folder)?.load(&archive),
        Action::Kubeconfig => {
            println!("{}", Cluster::running(folder)?.kubeconfig().display());
            Ok(())
        }
        Action::Node => block_on(node::run(&folder)),
        Action::Forward => block_on(api_server_forward::serve_outside(&folder)),
        Action::Tools => Ok(()),
    }
}

/// Becomes the same command by sudo; returns only when that is impossible.
fn as_root() -> std::io::Error {
    let mut command = Command::new("sudo");
    command.args(["-n", "-E"]).args(std::env::args_os());
    command.exec()
}

fn block_on(work: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
    msg2agent_devtools::install_tls_provider();
    tokio::runtime::Runtime::new().context("start the runtime")?.block_on(work)
}

fn described(cluster: &Cluster) -> String {
    match cluster.record() {
        Record::Existing { kubeconfig, context } => {
            format!("the existing cluster of the context {context} in {}", kubeconfig.display())
        }
        Record::Kind { name } => format!("the kind cluster {name}"),
        Record::BuiltIn { network, first, forwarder, .. } => {
            let reach = if forwarder.is_some() { "forwarded to loopback" } else { "linked to this machine" };
            format!("the built-in cluster, node {}, {reach}, first process {}", network.node(), first.pid)
        }
    }
}
