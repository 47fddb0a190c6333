//! Brings up the Relays and Tenants that the Agents need, and applies Agents, many at once.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use futures::{StreamExt as _, TryStreamExt as _, stream};

use super::objects::{self, Kind};
use super::{Bench, readiness};

/// Writes under way at once when objects are applied: what keeps the API server busy without
/// running into its fairness queues.
const WRITES_AT_ONCE: usize = 64;
/// Time for the Relays and the Tenants, images and volumes included.
const PLATFORM_TIMEOUT: Duration = Duration::from_secs(180);

/// Applies Relays and Tenants, and waits until they are Ready. The Tenants are spread over the
/// Relays.
///
/// # Errors
/// They are refused, or not Ready in time.
pub async fn bring_up(bench: &Bench) -> anyhow::Result<()> {
    let (cluster, plan) = (&bench.cluster, &bench.plan);
    for number in 0..plan.relays {
        cluster.apply(Kind::Relay, &objects::relay(number)).await?;
    }
    cluster.apply(Kind::Tenant, &objects::tenant(objects::VICTIMS, 0)).await?;
    for number in 0..plan.tenants {
        let relay = relay_of_tenant(number, plan.relays);
        cluster.apply(Kind::Tenant, &objects::tenant(&objects::tenant_name(number), relay)).await?;
    }
    readiness::all_ready(cluster.objects(Kind::Relay), None, plan.relays as usize, PLATFORM_TIMEOUT)
        .await
        .context("Relays")?;
    let tenants = plan.tenants as usize + 1;
    readiness::all_ready(cluster.objects(Kind::Tenant), None, tenants, PLATFORM_TIMEOUT)
        .await
        .context("Tenants")?;
    Ok(())
}

/// The number of the Relay that serves Tenant `tenant`.
#[must_use]
pub fn relay_of_tenant(tenant: u32, relays: u32) -> u32 {
    tenant % relays.max(1)
}

/// The number of the Tenant of Agent `agent`.
#[must_use]
pub fn tenant_of_agent(agent: u32, tenants: u32) -> u32 {
    agent % tenants.max(1)
}

/// Applies the Agents of the group and returns when each apply was sent.
///
/// # Errors
/// One that is refused.
pub async fn apply_agents(
    bench: &Bench,
    group: &str,
    numbers: impl Iterator<Item = u32>,
    tenant: impl Fn(u32) -> String,
) -> anyhow::Result<HashMap<String, Instant>> {
    let applies = numbers.map(|number| {
        let manifest = objects::agent(group, number, &tenant(number));
        async move {
            let sent = Instant::now();
            bench.cluster.apply(Kind::Agent, &manifest).await?;
            anyhow::Ok((objects::agent_name(group, number), sent))
        }
    });
    stream::iter(applies).buffer_unordered(WRITES_AT_ONCE).try_collect().await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_relay_serves_tenants_and_every_tenant_has_agents() {
        let relays: Vec<_> = (0..6).map(|tenant| relay_of_tenant(tenant, 3)).collect();
        assert_eq!(relays, [0, 1, 2, 0, 1, 2]);
        assert_eq!(tenant_of_agent(13, 10), 3);
    }
}
