//! Measures the operator on the cluster that a kubeconfig names, or on a built-in one.

use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use clap::Parser;
use msg2agent_devtools::cluster::folder::ClusterFolder;
use msg2agent_devtools::cluster::requirements::ClusterRequest;
use msg2agent_devtools::cluster::{self, Cluster, kubeconfig};
use msg2agent_devtools::demo::{self, OPERATOR_NAMESPACE};
use msg2agent_devtools::opbench::bench_cluster::RelayAccess;
use msg2agent_devtools::opbench::objects::Revocation;
use msg2agent_devtools::opbench::{
    AGENTS_MAX, Bench, BenchPlan, RELAYS_MAX, REVOCATIONS_MAX, Scenario, TENANTS_MAX, operator::Address,
    roll::ROTATIONS_AT_ONCE,
};

/// Applies many Agents at once and prints the time until all are Ready, the writes per Agent and
/// the operator's memory; then runs the scenarios that are named, in their order. In or after each
/// it measures how fast a revoked key is refused.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// What to do after the Agents are Ready.
    #[arg(value_enum)]
    scenarios: Vec<Scenario>,
    /// Kubeconfig of a cluster with the operator installed. Default: a built-in cluster, whose etcd
    /// waits for the disk, is started and gets the charts.
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// Context in the kubeconfig. Default: its current one.
    #[arg(long, value_name = "NAME", requires = "kubeconfig")]
    context: Option<String>,
    /// Folder of the built-in cluster. It is left running; `cluster --folder FOLDER down` ends it.
    #[arg(long, value_name = "FOLDER", conflicts_with = "kubeconfig")]
    folder: Option<PathBuf>,
    /// Reach Relays by the addresses of their pods; set by itself inside the built-in cluster.
    #[arg(long, hide = true)]
    inside: bool,
    /// Namespace that is created, and deleted at the end.
    #[arg(long, default_value = "opbench")]
    namespace: String,
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=i64::from(AGENTS_MAX)))]
    agents: u32,
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=i64::from(TENANTS_MAX)))]
    tenants: u32,
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=i64::from(RELAYS_MAX)))]
    relays: u32,
    /// Requests under way at once when it rotates the keys of many Agents.
    #[arg(long, default_value_t = ROTATIONS_AT_ONCE, value_parser = clap::value_parser!(u16).range(1..=256))]
    rotations_at_once: u16,
    /// Seconds until all Agents must be Ready, or rotated.
    #[arg(long, default_value_t = 300)]
    limit: u64,
    /// Seconds in which the idle operator must write nothing.
    #[arg(long, default_value_t = 60)]
    idle: u64,
    /// Agents of the trickle.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=i64::from(AGENTS_MAX)))]
    trickle: u32,
    /// API keys to revoke in or after each scenario, one after the other.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(..=i64::from(REVOCATIONS_MAX)))]
    revocations: u32,
    /// The way a key is revoked.
    #[arg(long, value_enum, default_value = "delete")]
    revoke_by: Revocation,
    #[arg(long, default_value = OPERATOR_NAMESPACE)]
    operator_namespace: String,
    /// Labels of the operator's pods.
    #[arg(long, default_value = "app.kubernetes.io/name=msg2agent,app.kubernetes.io/component=operator")]
    operator_labels: String,
    /// Name of the operator's Lease.
    #[arg(long, default_value = "msg2agent-operator")]
    operator_lease: String,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    msg2agent_devtools::install_tls_provider();
    tracing_subscriber::fmt().with_writer(std::io::stderr).with_max_level(tracing::Level::WARN).init();
    let Some(file) = &arguments.kubeconfig else {
        let folder = cluster::open_folder(arguments.folder.as_deref().or(Some(&default_folder())))?;
        return tokio::task::spawn_blocking(move || run_inside(folder)).await?;
    };
    let client = kubeconfig::client(file, arguments.context.as_deref()).await?;
    let access = if arguments.inside { RelayAccess::PodAddress } else { RelayAccess::PortForward };
    Bench::new(client, access, plan(arguments)).run().await
}

fn default_folder() -> PathBuf {
    msg2agent_devtools::repository().join("target/opbench-cluster")
}

/// Starts the built-in cluster, installs the charts, and becomes the same command inside its
/// network. There the Relays' pods are reached, and the API server can be ended.
fn run_inside(folder: ClusterFolder) -> anyhow::Result<()> {
    let cluster = Cluster::up(folder, &ClusterRequest::BuiltIn { etcd_fsync: true })?;
    demo::install_product(&cluster)?;
    let me = std::env::current_exe().context("find this program")?;
    let mut command = cluster.command(me.to_str().context("this program's path is not text")?);
    command.args(without_folder(std::env::args().skip(1)));
    command.arg("--inside").arg("--kubeconfig").arg(cluster.kubeconfig_for_commands());
    Err(command.exec()).context("run inside the cluster")
}

/// The arguments without `--folder FOLDER`, which `--kubeconfig` replaces.
fn without_folder(arguments: impl Iterator<Item = String>) -> Vec<String> {
    let (mut kept, mut is_value) = (Vec::new(), false);
    for argument in arguments {
        match (is_value, argument.as_str()) {
            (true, _) => is_value = false,
            (false, "--folder") => is_value = true,
            (false, other) if other.starts_with("--folder=") => {}
            (false, _) => kept.push(argument),
        }
    }
    kept
}

fn plan(arguments: Arguments) -> BenchPlan {
    BenchPlan {
        namespace: arguments.namespace,
        agents: arguments.agents,
        tenants: arguments.tenants,
        relays: arguments.relays,
        rotations_at_once: arguments.rotations_at_once,
        limit: Duration::from_secs(arguments.limit),
        idle: Duration::from_secs(arguments.idle),
        trickle: arguments.trickle,
        revocations: arguments.revocations,
        revocation: arguments.revoke_by,
        operator: Address {
            namespace: arguments.operator_namespace,
            labels: arguments.operator_labels,
            lease: arguments.operator_lease,
        },
        scenarios: arguments.scenarios,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_is_taken_out_of_the_arguments() {
        let given = ["idle", "--folder", "a", "--agents", "5", "--folder=b"].map(String::from);
        assert_eq!(without_folder(given.into_iter()), ["idle", "--agents", "5"]);
    }
}
