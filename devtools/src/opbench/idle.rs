//! Checks that an operator with nothing to do writes nothing but its Lease.

use std::fmt;
use std::time::{Duration, Instant};

use anyhow::{bail, ensure};

use super::BenchPlan;
use super::bench_cluster::BenchCluster;
use super::operator::Reading;

/// Longest time after the last Ready until status writes that are still on their way have ended.
const SETTLE_TIMEOUT: Duration = Duration::from_secs(60);
/// No write for that long counts as settled.
const QUIET_INTERVAL: Duration = Duration::from_secs(3);

/// The measurements of the idle operator.
#[derive(Debug)]
pub struct Idle {
    agents: u32,
    time: Duration,
    cpu_seconds: f64,
    memory_bytes: f64,
}

/// # Errors
/// Any write in the time of the plan.
pub async fn run(cluster: &BenchCluster, plan: &BenchPlan) -> anyhow::Result<Idle> {
    let before = settled(cluster, plan).await?;
    tokio::time::sleep(plan.idle).await;
    let after = Reading::take(cluster, &plan.operator).await?;
    let written = after.writes.since(&before.writes);
    ensure!(written.total() == 0, "the idle operator wrote: {written}");
    Ok(Idle {
        agents: plan.agents,
        time: plan.idle,
        cpu_seconds: after.cpu_seconds - before.cpu_seconds,
        memory_bytes: after.memory_bytes,
    })
}

async fn settled(cluster: &BenchCluster, plan: &BenchPlan) -> anyhow::Result<Reading> {
    let begun = Instant::now();
    let mut before = Reading::take(cluster, &plan.operator).await?;
    while begun.elapsed() < SETTLE_TIMEOUT {
        tokio::time::sleep(QUIET_INTERVAL).await;
        let after = Reading::take(cluster, &plan.operator).await?;
        if after.writes == before.writes {
            return Ok(after);
        }
        before = after;
    }
    bail!("the operator still writes {} s after everything was Ready", SETTLE_TIMEOUT.as_secs())
}

impl fmt::Display for Idle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.time.as_secs_f64();
        writeln!(f, "idle with {} Agents for {seconds:.0} s:", self.agents)?;
        writeln!(f, "  writes               0, Lease excepted")?;
        writeln!(f, "  operator CPU         {:.1} ms per second", self.cpu_seconds * 1000.0 / seconds)?;
        write!(f, "  operator memory      {:.1} MiB working set", self.memory_bytes / (1024.0 * 1024.0))
    }
}
