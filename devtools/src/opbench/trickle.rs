//! Applies one Agent every 100 ms and measures how long each takes until it is Ready.

use std::fmt;
use std::time::{Duration, Instant};

use super::latencies::Latencies;
use super::objects::{self, Kind};
use super::{Bench, platform, readiness};

const GROUP: &str = "trickle";
/// Between two applies: what a busy platform team does.
const APPLY_INTERVAL: Duration = Duration::from_millis(100);

/// The latency of single Agents.
#[derive(Debug)]
pub struct Trickle {
    each: Latencies,
}

/// # Errors
/// An apply that is refused, or Agents that do not become Ready in time.
pub async fn run(bench: &Bench) -> anyhow::Result<Trickle> {
    let (cluster, plan) = (&bench.cluster, &bench.plan);
    let agents = cluster.objects(Kind::Agent);
    let watch = readiness::all_ready(agents, Some(GROUP), plan.trickle as usize, plan.limit);
    let apply = async {
        let mut sent = Vec::new();
        let mut pace = tokio::time::interval(APPLY_INTERVAL);
        for number in 0..plan.trickle {
            pace.tick().await;
            let tenant = objects::tenant_name(platform::tenant_of_agent(number, plan.tenants));
            sent.push((objects::agent_name(GROUP, number), Instant::now()));
            cluster.apply(Kind::Agent, &objects::agent(GROUP, number, &tenant)).await?;
        }
        Ok(sent)
    };
    let (ready, sent) = tokio::try_join!(watch, apply)?;
    let took = sent.iter().filter_map(|(name, at)| Some(ready.get(name)?.saturating_duration_since(*at)));
    Ok(Trickle { each: Latencies::new(took.collect()) })
}

impl fmt::Display for Trickle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} Agents, one every {} ms:", self.each.count(), APPLY_INTERVAL.as_millis())?;
        write!(f, "  apply to Ready       {}", self.each)
    }
}
