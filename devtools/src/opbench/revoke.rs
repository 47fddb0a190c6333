//! Measures the time from the API server's answer to a revocation until the Relay refuses the key
//! and has closed its session.

use std::fmt;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};

use super::BenchPlan;
use super::bench_cluster::BenchCluster;
use super::latencies::Latencies;
use super::objects::{self, Kind, Revocation};
use super::relay_session::Credentials;

/// A key that is not refused by then never will be.
const REFUSAL_TIMEOUT: Duration = Duration::from_secs(30);
/// Connections made before the revocation, so that the time to forward a port and to agree on TLS
/// is not counted.
const READY_CONNECTIONS: usize = 8;
/// Pause between two questions.
const POLL_INTERVAL: Duration = Duration::from_millis(50);
/// The promise, for the 99th percentile.
const PROMISE_TIMEOUT: Duration = Duration::from_secs(1);

/// The HTTP status of the upgrade and the close code of the session that tell of a revocation.
const fn refusal(by: Revocation) -> (u16, u16) {
    match by {
        Revocation::Delete | Revocation::Rotate => (401, 4401),
        Revocation::Suspend => (403, 4403),
    }
}

/// The measurements of all revocations.
#[derive(Debug)]
pub struct RevocationLatency {
    by: Revocation,
    /// The first connection that was refused, counted to its answer.
    key: Latencies,
    /// The close of the session that was open.
    session: Latencies,
}

/// # Errors
/// A key that stays good, or a refusal of another kind.
pub async fn run(cluster: &BenchCluster, plan: &BenchPlan) -> anyhow::Result<RevocationLatency> {
    let (mut key, mut session) = (vec![], vec![]);
    for number in 0..plan.revocations.min(plan.agents) {
        let measured = tokio::time::timeout(REFUSAL_TIMEOUT, once(cluster, plan, number)).await;
        let name = objects::agent_name(number);
        let (refused, closed) = measured
            .with_context(|| format!("the key of {name} still works after {} s", REFUSAL_TIMEOUT.as_secs()))?
            .with_context(|| format!("revoke {name}"))?;
        key.push(refused);
        session.push(closed);
    }
    Ok(RevocationLatency { by: plan.revocation, key: Latencies::new(key), session: Latencies::new(session) })
}

async fn once(cluster: &BenchCluster, plan: &BenchPlan, number: u32) -> anyhow::Result<(Duration, Duration)> {
    let name = objects::agent_name(number);
    let credentials = Credentials::read(cluster, &name).await.context("read its Secrets")?;
    let session = credentials.register(cluster).await.context("register it")?;
    let connections = (0..READY_CONNECTIONS).map(|_| credentials.connect(cluster));
    let mut ready = futures::future::try_join_all(connections).await.context("connect beforehand")?;
    match objects::revoked_agent(number, plan.tenants, plan.revocation) {
        Some(manifest) => cluster.apply(Kind::Agent, &manifest).await?,
        None => cluster.delete(Kind::Agent, &name).await?,
    }
    let start = Instant::now();
    let closed = async {
        let code = session.closed().await?;
        anyhow::Ok((code, start.elapsed()))
    };
    let refused = async {
        loop {
            let connection = match ready.pop() {
                Some(connection) => connection,
                None => credentials.connect(cluster).await?,
            };
            if let Some(status) = credentials.refusal(connection).await? {
                return anyhow::Ok((status, start.elapsed()));
            }
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    };
    let ((code, closed), (status, refused)) = tokio::try_join!(closed, refused)?;
    ensure!((status, code) == refusal(plan.revocation), "refused with {status}, closed with {code}");
    Ok((refused, closed))
}

impl RevocationLatency {
    /// # Errors
    /// The promise is broken: one second or more at the 99th percentile.
    pub fn check(&self) -> anyhow::Result<()> {
        let p99 = self.key.percentile(99).max(self.session.percentile(99));
        ensure!(p99 < PROMISE_TIMEOUT, "a revoked key worked for {:.3} s (p99)", p99.as_secs_f64());
        Ok(())
    }
}

impl fmt::Display for RevocationLatency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = format!("{:?}", self.by).to_lowercase();
        writeln!(f, "{} API keys revoked ({word}), from the API server's answer:", self.key.count())?;
        writeln!(f, "  key refused          {}", self.key)?;
        write!(f, "  session closed       {}", self.session)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_slow_revocation_of_fifty_breaks_the_promise() {
        let fast = || Latencies::new(vec![Duration::from_millis(40); 50]);
        let mut refused = RevocationLatency { by: Revocation::Delete, key: fast(), session: fast() };
        refused.check().unwrap();
        let mut values = vec![Duration::from_millis(40); 49];
        values.push(Duration::from_millis(1001));
        refused.session = Latencies::new(values);
        let error = refused.check().unwrap_err();
        assert_eq!(error.to_string(), "a revoked key worked for 1.001 s (p99)");
    }
}
