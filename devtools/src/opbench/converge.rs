//! Applies many Agents at once on fresh Relays and measures the time until all are Ready, the
//! writes per Agent with their Events, and the operator's memory and CPU.

use std::fmt;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};

use super::latencies::Latencies;
use super::objects::{self, Kind};
use super::operator::{self, Reading};
use super::writes::Writes;
use super::{Bench, platform, readiness, relay_metrics};
use crate::pod_process::PodProcess;
use kube::ResourceExt as _;

/// The beginning of the Agents' names.
pub const GROUP: &str = "agent";
/// Longest time between two samples of the kubelet, and a little more.
const KUBELET_SAMPLE_INTERVAL: Duration = Duration::from_secs(16);
/// The promise: two Secrets and one status for a new Agent, and no Event.
const WRITES_PER_AGENT_MAX: u64 = 3;
const MEBIBYTE: f64 = 1024.0 * 1024.0;

/// The measurements of one convergence.
#[derive(Debug)]
pub struct Converged {
    agents: u32,
    tenants: u32,
    relays: u32,
    applied: Duration,
    all_ready: Duration,
    each: Latencies,
    writes: Writes,
    relay_requests: f64,
    memory_bytes: f64,
    peak_bytes: Option<u64>,
    cpu_seconds: f64,
}

/// # Errors
/// An apply that is refused, or Agents that do not become Ready in time.
pub async fn run(bench: &Bench) -> anyhow::Result<Converged> {
    let (cluster, plan) = (&bench.cluster, &bench.plan);
    platform::bring_up(bench).await.context("bring up the Relays and their Tenants")?;
    reset_peak_memory(bench).await;
    let requests = relay_metrics::admin_requests(bench).await?;
    let before = Reading::take(cluster, &plan.operator).await?;
    let start = Instant::now();
    let watch =
        readiness::all_ready(cluster.objects(Kind::Agent), Some(GROUP), plan.agents as usize, plan.limit);
    let apply = async {
        let tenant = |agent| objects::tenant_name(platform::tenant_of_agent(agent, plan.tenants));
        let created = platform::apply_agents(bench, GROUP, 0..plan.agents, tenant).await?;
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
        relays: plan.relays,
        applied,
        all_ready,
        each: Latencies::new(took.collect()),
        writes: after.writes.since(&before.writes).without("APPLY", "agents", plan.agents.into()),
        relay_requests: relay_metrics::admin_requests(bench).await? - requests,
        memory_bytes: after.memory_bytes,
        peak_bytes: after.peak_bytes,
        cpu_seconds: after.cpu_seconds - before.cpu_seconds,
    })
}

/// Where the leader's process is not on this machine, its peak is not printed either.
async fn reset_peak_memory(bench: &Bench) {
    let operator = &bench.plan.operator;
    let Ok(leader) = operator::leader(&bench.cluster, operator).await else { return };
    if let Ok(process) = PodProcess::of(&bench.cluster.client, &operator.namespace, &leader.name_any()).await
        && let Err(error) = process.reset_peak_memory()
    {
        tracing::warn!("the peak memory is that since the operator's start: {error:#}");
    }
}

impl Converged {
    /// # Errors
    /// The promise is broken: more than three writes per Agent, Events counted.
    pub fn check(&self) -> anyhow::Result<()> {
        let written = self.writes.of_agents();
        let promised = WRITES_PER_AGENT_MAX * u64::from(self.agents);
        ensure!(written.total() <= promised, "{:.2} writes per Agent: {written}", written.per(self.agents));
        Ok(())
    }
}

impl fmt::Display for Converged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { agents, tenants, relays, each, writes, .. } = self;
        let of_agents = writes.of_agents();
        writeln!(f, "{agents} Agents of {tenants} Tenants at {relays} Relays, applied at once:")?;
        writeln!(f, "  all applied after    {:.2} s", self.applied.as_secs_f64())?;
        writeln!(f, "  all Ready after      {:.2} s", self.all_ready.as_secs_f64())?;
        writeln!(f, "  apply to Ready       {each}")?;
        writeln!(f, "  writes per Agent     {:.2} ({of_agents})", of_agents.per(*agents))?;
        writeln!(f, "  Events among them    {}", writes.of("events").total())?;
        writeln!(f, "  all writes           {} ({writes})", writes.total())?;
        writeln!(f, "  requests to Relays   {:.2} per Agent", self.relay_requests / f64::from(*agents))?;
        match self.peak_bytes {
            Some(peak) => writeln!(f, "  operator memory peak {:.1} MiB resident", mebibytes(peak))?,
            None => writeln!(f, "  operator memory peak not known: its process is not on this machine")?,
        }
        writeln!(f, "  operator memory then {:.1} MiB working set", self.memory_bytes / MEBIBYTE)?;
        write!(f, "  operator CPU         {:.2} s", self.cpu_seconds)
    }
}

#[expect(clippy::cast_precision_loss, reason = "memory is far below 2^52 bytes")]
fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / MEBIBYTE
}
