//! Checks that an operator with nothing to do writes nothing but its Lease.

use std::fmt;
use std::time::{Duration, Instant};

use anyhow::{bail, ensure};

use super::Bench;
use super::operator::Reading;
use super::writes::Writes;

/// Longest time after the last change until writes that are still on their way have ended.
const SETTLE_TIMEOUT: Duration = Duration::from_secs(180);
/// No write for that long counts as settled.
const QUIET_INTERVAL: Duration = Duration::from_secs(5);

/// The measurements of the idle operator.
#[derive(Debug)]
pub struct Idle {
    agents: u32,
    time: Duration,
    writes: Writes,
    cpu_seconds: f64,
    memory_bytes: f64,
}

/// # Errors
/// The operator does not come to rest before, or its metrics cannot be read.
pub async fn run(bench: &Bench) -> anyhow::Result<Idle> {
    let before = settled(bench).await?;
    tokio::time::sleep(bench.plan.idle).await;
    let after = Reading::take(&bench.cluster, &bench.plan.operator).await?;
    Ok(Idle {
        agents: bench.plan.agents,
        time: bench.plan.idle,
        writes: after.writes.since(&before.writes),
        cpu_seconds: after.cpu_seconds - before.cpu_seconds,
        memory_bytes: after.memory_bytes,
    })
}

/// The first reading after which nothing was written for a while.
///
/// # Errors
/// Something is always written.
pub async fn settled(bench: &Bench) -> anyhow::Result<Reading> {
    let (cluster, operator) = (&bench.cluster, &bench.plan.operator);
    let begun = Instant::now();
    let mut before = Reading::take(cluster, operator).await?;
    let mut last = Writes::default();
    while begun.elapsed() < SETTLE_TIMEOUT {
        tokio::time::sleep(QUIET_INTERVAL).await;
        let after = Reading::take(cluster, operator).await?;
        last = after.writes.since(&before.writes);
        if last.total() == 0 {
            return Ok(after);
        }
        before = after;
    }
    bail!("the operator still writes after {} s: {last}", SETTLE_TIMEOUT.as_secs())
}

impl Idle {
    /// # Errors
    /// The promise is broken: something was written.
    pub fn check(&self) -> anyhow::Result<()> {
        ensure!(self.writes.total() == 0, "the idle operator wrote: {}", self.writes);
        Ok(())
    }
}

impl fmt::Display for Idle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.time.as_secs_f64();
        writeln!(f, "idle with {} Agents for {seconds:.0} s:", self.agents)?;
        writeln!(f, "  writes               {} ({}), Leases excepted", self.writes.total(), self.writes)?;
        writeln!(f, "  operator CPU         {:.1} ms per second", self.cpu_seconds * 1000.0 / seconds)?;
        write!(f, "  operator memory      {:.1} MiB working set", self.memory_bytes / (1024.0 * 1024.0))
    }
}
