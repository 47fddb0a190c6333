//! Benchmarks the operator on any cluster: how fast many Agents become Ready and what that writes,
//! whether an idle operator writes nothing, and how fast a revoked API key is refused.
//!
//! One file per scenario: [`converge`], [`idle`], [`revoke`]. All objects live in one namespace
//! that is deleted at the end.

use std::time::Duration;

use kube::Client;

pub mod bench_cluster;
pub mod converge;
pub mod exposition;
pub mod idle;
pub mod latencies;
pub mod objects;
pub mod operator;
pub mod readiness;
pub mod relay_session;
pub mod revoke;
pub mod writes;

use bench_cluster::BenchCluster;
use objects::Revocation;

/// Agents of one run; their Secrets alone fill the API server's watch cache beyond that.
pub const AGENTS_MAX: u32 = 10_000;
/// Tenants of one run.
pub const TENANTS_MAX: u32 = 100;
/// Revocations of one run.
pub const REVOCATIONS_MAX: u32 = 1_000;

#[derive(Debug, Clone)]
pub struct BenchPlan {
    pub namespace: String,
    pub agents: u32,
    pub tenants: u32,
    /// Longest time until all Agents are Ready.
    pub limit: Duration,
    /// Time in which an idle operator must write nothing.
    pub idle: Duration,
    pub revocations: u32,
    pub revocation: Revocation,
    pub operator: operator::Address,
}

/// Runs the scenarios and prints each result as soon as it is there; removes what it made, also
/// after a failure.
///
/// # Errors
/// A scenario that does not end in time, or breaks its promise (idle writes, a revocation of a
/// second or more).
pub async fn run(client: Client, plan: &BenchPlan) -> anyhow::Result<()> {
    let cluster = BenchCluster::new(client, plan.namespace.clone());
    // Only what this run made is removed: a namespace that exists ends it here.
    cluster.create_namespace().await?;
    let result = scenarios(&cluster, plan).await;
    let removed = cluster.remove_namespace().await;
    result.and(removed)
}

#[expect(clippy::print_stdout, reason = "the figures are the program's answer")]
async fn scenarios(cluster: &BenchCluster, plan: &BenchPlan) -> anyhow::Result<()> {
    println!("{}", converge::run(cluster, plan).await?);
    if !plan.idle.is_zero() {
        println!("{}", idle::run(cluster, plan).await?);
    }
    if plan.revocations > 0 {
        let refused = revoke::run(cluster, plan).await?;
        println!("{refused}");
        refused.check()?;
    }
    Ok(())
}
