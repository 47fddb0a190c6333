//! Kills the leading replica. Its successor must change no Secret and no status, and must carry out
//! a revocation.

use std::fmt;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use kube::api::DeleteParams;
use kube::{Api, ResourceExt as _};

use super::revoke::RevocationLatency;
use super::versions::{Changes, Versions};
use super::writes::Writes;
use super::{Bench, idle, operator, revoke, victims};
use crate::eventually::eventually;
use crate::pod_process::PodProcess;

/// The Lease has to expire, and two looks at it.
const TAKEOVER_TIMEOUT: Duration = Duration::from_secs(60);
/// Longest time until the successor has compared every object with the Relays.
const WORK_TIMEOUT: Duration = Duration::from_secs(300);

/// What a successor did.
#[derive(Debug)]
pub struct Failover {
    agents: u32,
    leads: Duration,
    rests: Duration,
    writes: Writes,
    changes: Changes,
}

/// Kills the leader while nothing is to do.
///
/// # Errors
/// Nobody takes over, or the successor does not come to rest.
pub async fn run(bench: &Bench) -> anyhow::Result<Failover> {
    let (cluster, operator) = (&bench.cluster, &bench.plan.operator);
    let before = idle::settled(bench).await?;
    let versions = Versions::read(cluster).await?;
    let killed = Instant::now();
    kill_leader(bench).await?;
    let leads = killed.elapsed();
    eventually("the successor has worked off its queue", WORK_TIMEOUT, async || {
        let leading = operator::metric(cluster, operator, "msg2agent_operator_leader").await?;
        let waiting = operator::metric(cluster, operator, "msg2agent_operator_queue_waiting").await?;
        ensure!((leading, waiting) == (1.0, 0.0), "{waiting} objects wait, leader {leading}");
        Ok(())
    })
    .await?;
    let rests = killed.elapsed();
    let after = idle::settled(bench).await?;
    Ok(Failover {
        agents: bench.plan.agents,
        leads,
        rests,
        writes: after.writes.since(&before.writes).of_the_operator(),
        changes: Versions::read(cluster).await?.changes_since(&versions),
    })
}

/// Kills the leader with work to do: keys are revoked from that moment on. The first one takes as
/// long as the takeover.
///
/// # Errors
/// Nobody takes over, or a key stays good.
pub async fn until_it_works(bench: &Bench) -> anyhow::Result<WorkingAfter> {
    let mut prepared = victims::prepare(bench).await?;
    let Some(first) = prepared.pop() else { return Ok(WorkingAfter::default()) };
    let killed = Instant::now();
    let refused = async {
        revoke::once(bench, first, TAKEOVER_TIMEOUT).await?;
        Ok(killed.elapsed())
    };
    let ((), works) = tokio::try_join!(kill_leader(bench), refused)?;
    Ok(WorkingAfter { works, revocations: Some(revoke::each(bench, prepared).await?) })
}

/// Ends the leader without a word and returns when another replica holds the Lease.
async fn kill_leader(bench: &Bench) -> anyhow::Result<()> {
    let (cluster, operator) = (&bench.cluster, &bench.plan.operator);
    let before = operator::holder(cluster, operator).await?;
    let leader = operator::leader(cluster, operator).await?.name_any();
    match PodProcess::of(&cluster.client, &operator.namespace, &leader).await {
        Ok(process) => process.kill()?,
        // Its process is on another machine.
        Err(_) => {
            let pods = Api::<k8s_openapi::api::core::v1::Pod>::namespaced(
                cluster.client.clone(),
                &operator.namespace,
            );
            let at_once = DeleteParams { grace_period_seconds: Some(0), ..DeleteParams::default() };
            pods.delete(&leader, &at_once).await.context("delete the leading pod")?;
        }
    }
    eventually("another replica leads", TAKEOVER_TIMEOUT, async || {
        let now = operator::holder(cluster, operator).await?;
        ensure!(now != before && !now.is_empty(), "{before} still holds the Lease");
        Ok(())
    })
    .await
}

impl Failover {
    /// A successor may apply an object that is as it should be; the API server then writes nothing.
    ///
    /// # Errors
    /// The promise is broken: a Secret or a status was written, or an object has changed.
    pub fn check(&self) -> anyhow::Result<()> {
        let Self { writes, changes, .. } = self;
        let forbidden = (writes.of_own_status().total(), writes.of("secrets").total());
        ensure!(forbidden == (0, 0), "the successor wrote: {writes}");
        ensure!(*changes == Changes::default(), "the successor changed {changes:?}");
        Ok(())
    }
}

impl fmt::Display for Failover {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { writes, changes, .. } = self;
        writeln!(f, "leader killed with {} Agents Ready:", self.agents)?;
        writeln!(f, "  another one leads    {:.2} s after the kill", self.leads.as_secs_f64())?;
        writeln!(f, "  nothing waits        {:.2} s after the kill", self.rests.as_secs_f64())?;
        writeln!(f, "  status writes        {}", writes.of_own_status().total())?;
        writeln!(f, "  Secret writes        {}", writes.of("secrets").total())?;
        writeln!(f, "  all writes           {} ({writes})", writes.total())?;
        writeln!(f, "  Ready transitions    {}", changes.transitions.len())?;
        write!(f, "  Events               {}", changes.events)
    }
}

/// How fast keys are refused from the kill on.
#[derive(Debug, Default)]
pub struct WorkingAfter {
    works: Duration,
    revocations: Option<RevocationLatency>,
}

impl WorkingAfter {
    /// # Errors
    /// The promise of revocations is broken, the first one excepted.
    pub fn check(&self) -> anyhow::Result<()> {
        self.revocations.as_ref().map_or(Ok(()), RevocationLatency::check)
    }
}

impl fmt::Display for WorkingAfter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(revocations) = &self.revocations else {
            return f.write_str("no key was revoked after a failover");
        };
        writeln!(f, "leader killed again, key revoked at the same time:")?;
        writeln!(f, "  refused              {:.2} s after the kill", self.works.as_secs_f64())?;
        write!(f, "after the failover: {revocations}")
    }
}
