//! Makes the Agents whose keys are revoked: in a Tenant of their own, at the first Relay, Ready,
//! with their credentials read.

use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::Context as _;

use super::objects::{self, Kind};
use super::relay_session::Credentials;
use super::{Bench, platform, readiness};

/// A victim gets a number that no other in this process has.
static NEXT: AtomicU32 = AtomicU32::new(0);

/// An Agent that is Ready.
pub struct Victim {
    pub name: String,
    pub credentials: Credentials,
}

/// As many as the plan has revocations.
///
/// # Errors
/// They do not become Ready in time.
pub async fn prepare(bench: &Bench) -> anyhow::Result<Vec<Victim>> {
    let count = bench.plan.revocations;
    let first = NEXT.fetch_add(count, Ordering::Relaxed);
    // The number in the group's name keeps the watch from counting those of an earlier scenario.
    let group = format!("victim-{first}");
    let tenant = |_| objects::VICTIMS.to_owned();
    platform::apply_agents(bench, &group, 0..count, tenant).await?;
    let agents = bench.cluster.objects(Kind::Agent);
    readiness::all_ready(agents, Some(&group), count as usize, bench.plan.limit).await.context("victims")?;
    let mut victims = Vec::new();
    for number in 0..count {
        let name = objects::agent_name(&group, number);
        let read = Credentials::read(&bench.cluster, &name, &objects::relay_name(0)).await;
        let credentials = read.with_context(|| format!("read the Secrets of {name}"))?;
        victims.push(Victim { name, credentials });
    }
    Ok(victims)
}
