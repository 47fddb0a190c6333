//! Measures the operator on the cluster that a kubeconfig names.

use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;
use msg2agent_devtools::cluster::kubeconfig;
use msg2agent_devtools::opbench::objects::Revocation;
use msg2agent_devtools::opbench::{
    self, AGENTS_MAX, BenchPlan, REVOCATIONS_MAX, TENANTS_MAX, operator::Address,
};

/// Applies many Agents at once and prints the time until all are Ready, writes per Agent and the
/// operator's memory; then checks that the idle operator writes nothing, and measures how fast a
/// revoked key is refused.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// Kubeconfig of the cluster, with the operator installed. Required, because the benchmark
    /// creates a thousand objects.
    #[arg(long, value_name = "FILE")]
    kubeconfig: PathBuf,
    /// Context in the kubeconfig. Default: its current one.
    #[arg(long, value_name = "NAME")]
    context: Option<String>,
    /// Namespace that is created, and deleted at the end.
    #[arg(long, default_value = "opbench")]
    namespace: String,
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=i64::from(AGENTS_MAX)))]
    agents: u32,
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=i64::from(TENANTS_MAX)))]
    tenants: u32,
    /// Seconds until all Agents must be Ready.
    #[arg(long, default_value_t = 300)]
    limit: u64,
    /// Seconds in which the idle operator must write nothing; 0 leaves the scenario out.
    #[arg(long, default_value_t = 60)]
    idle: u64,
    /// API keys to revoke, one after the other; 0 leaves the scenario out.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(..=i64::from(REVOCATIONS_MAX)))]
    revocations: u32,
    /// The way a key is revoked.
    #[arg(long, value_enum, default_value = "delete")]
    revoke_by: Revocation,
    #[arg(long, default_value = "msg2agent-system")]
    operator_namespace: String,
    /// Labels of the operator's pod.
    #[arg(long, default_value = "app.kubernetes.io/name=msg2agent,app.kubernetes.io/component=operator")]
    operator_labels: String,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    msg2agent_devtools::install_tls_provider();
    tracing_subscriber::fmt().with_writer(std::io::stderr).with_max_level(tracing::Level::WARN).init();
    let client = kubeconfig::client(&arguments.kubeconfig, arguments.context.as_deref()).await?;
    opbench::run(client, &plan(arguments)).await
}

fn plan(arguments: Arguments) -> BenchPlan {
    BenchPlan {
        namespace: arguments.namespace,
        agents: arguments.agents,
        tenants: arguments.tenants,
        limit: Duration::from_secs(arguments.limit),
        idle: Duration::from_secs(arguments.idle),
        revocations: arguments.revocations,
        revocation: arguments.revoke_by,
        operator: Address { namespace: arguments.operator_namespace, labels: arguments.operator_labels },
    }
}
