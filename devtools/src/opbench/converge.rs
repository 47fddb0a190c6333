//! Applies many Agents at once on a fresh Relay and measures the time until all are Ready, the
//! writes per Agent, and the operator's memory and CPU.

use std::collections::HashMap;
use std::fmt;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use futures::{StreamExt as _, TryStreamExt as _, stream};

use super::bench_cluster::BenchCluster;
use super::latencies::Latencies;
use super::objects::{self, Kind};
use super::operator::Reading;
use super::writes::Writes;
use super::{BenchPlan, readiness};

/// Applies under way at once: what keeps the API server busy without running into its fairness
/// queues.
const APPLIES_AT_ONCE: usize = 64;
/// Time for the Relay and the Tenants, images and volume included.
const PLATFORM_TIMEOUT: Duration = Duration::from_secs(180);
/// Longest time between two samples of the kubelet, and a little more.
const KUBELET_SAMPLE_INTERVAL: Duration = Duration::from_secs(16);
const MEBIBYTE: f64 = 1024.0 * 1024.0;

/// The measurements of one convergence.
#[derive(Debug)]
pub struct Converged {
    agents: u32,
    tenants: u32,
    applied: Duration,
    all_ready: Duration,
    each: Latencies,
    writes: Writes,
    memory_bytes: f64,
    cpu_seconds: f64,
}

/// # Errors
/// An apply that is refused, or Agents that do not become Ready in time.
pub async fn run(cluster: &BenchCluster, plan: &BenchPlan) -> anyhow::Result<Converged> {
    platform(cluster, plan).await.context("bring up the Relay and its Tenants")?;
    let before = Reading::take(cluster, &plan.operator).await?;
    let start = Instant::now();
    let watch = readiness::all_ready(cluster.objects(Kind::Agent), plan.agents as usize, plan.limit);
    let apply = async {
        let created = apply_agents(cluster, plan).await?;
        Ok((created, start.elapsed()))
    };
    let (ready, (created, applied)) = tokio::try_join!(watch, apply)?;
    let all_ready = start.elapsed();
    // The kubelet's next sample of memory and CPU. The last status writes end in this time.
    tokio::time::sleep(KUBELET_SAMPLE_INTERVAL).await;
    let after = Reading::take(cluster, &plan.operator).await?;
    let took = created.iter().filter_map(|(name, at)| Some(ready.get(name)?.saturating_duration_since(*at)));
    Ok(Converged {
        agents: plan.agents,
        tenants: plan.tenants,
        applied,
        all_ready,
        each: Latencies::new(took.collect()),
        writes: after.writes.since(&before.writes).without("APPLY", "agents", plan.agents.into()),
        memory_bytes: after.memory_bytes,
        cpu_seconds: after.cpu_seconds - before.cpu_seconds,
    })
}

async fn platform(cluster: &BenchCluster, plan: &BenchPlan) -> anyhow::Result<()> {
    cluster.apply(Kind::Relay, &objects::relay()).await?;
    for number in 0..plan.tenants {
        cluster.apply(Kind::Tenant, &objects::tenant(number)).await?;
    }
    readiness::all_ready(cluster.objects(Kind::Relay), 1, PLATFORM_TIMEOUT).await.context("Relay")?;
    readiness::all_ready(cluster.objects(Kind::Tenant), plan.tenants as usize, PLATFORM_TIMEOUT)
        .await
        .context("Tenants")?;
    Ok(())
}

/// When each Agent's apply was sent.
async fn apply_agents(cluster: &BenchCluster, plan: &BenchPlan) -> anyhow::Result<HashMap<String, Instant>> {
    let applies = (0..plan.agents).map(|number| async move {
        let sent = Instant::now();
        cluster.apply(Kind::Agent, &objects::agent(number, plan.tenants)).await?;
        anyhow::Ok((objects::agent_name(number), sent))
    });
    stream::iter(applies).buffer_unordered(APPLIES_AT_ONCE).try_collect().await
}

impl fmt::Display for Converged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { agents, tenants, each, writes, .. } = self;
        writeln!(f, "{agents} Agents of {tenants} Tenants, applied at once:")?;
        writeln!(f, "  all applied after    {:.2} s", self.applied.as_secs_f64())?;
        writeln!(f, "  all Ready after      {:.2} s", self.all_ready.as_secs_f64())?;
        writeln!(f, "  apply to Ready       {each}")?;
        writeln!(f, "  writes per Agent     {:.2} ({writes})", writes.per(*agents))?;
        writeln!(f, "  operator memory      {:.1} MiB working set", self.memory_bytes / MEBIBYTE)?;
        write!(f, "  operator CPU         {:.2} s", self.cpu_seconds)
    }
}
