//! Measures the time from the API server's answer to a revocation until the Relay refuses the key
//! and has closed its session.

use std::fmt;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use kube::api::{Patch, PatchParams};

use super::Bench;
use super::latencies::Latencies;
use super::objects::{self, Kind, Revocation};
use super::victims::Victim;

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

/// Revokes the keys of the victims, one after the other.
///
/// # Errors
/// A key that stays good, or a refusal of another kind.
pub async fn each(bench: &Bench, victims: Vec<Victim>) -> anyhow::Result<RevocationLatency> {
    let (mut key, mut session) = (vec![], vec![]);
    for victim in victims {
        let (refused, closed) = once(bench, victim, REFUSAL_TIMEOUT).await?;
        key.push(refused);
        session.push(closed);
    }
    let by = bench.plan.revocation;
    Ok(RevocationLatency { by, key: Latencies::new(key), session: Latencies::new(session) })
}

/// Revokes one key and returns after what time it was refused and its session closed.
///
/// # Errors
/// It stays good for longer than `limit`, or is refused in another way.
pub async fn once(bench: &Bench, victim: Victim, limit: Duration) -> anyhow::Result<(Duration, Duration)> {
    let measured = tokio::time::timeout(limit, measure(bench, &victim)).await;
    measured
        .with_context(|| format!("the key of {} still works after {} s", victim.name, limit.as_secs()))?
        .with_context(|| format!("revoke {}", victim.name))
}

async fn measure(bench: &Bench, victim: &Victim) -> anyhow::Result<(Duration, Duration)> {
    let (cluster, credentials, by) = (&bench.cluster, &victim.credentials, bench.plan.revocation);
    let session = credentials.register(cluster).await.context("register it")?;
    let connections = (0..READY_CONNECTIONS).map(|_| credentials.connect(cluster));
    let mut ready = futures::future::try_join_all(connections).await.context("connect beforehand")?;
    match objects::revocation(by) {
        Some(change) => {
            let agents = cluster.objects(Kind::Agent);
            agents.patch(&victim.name, &PatchParams::default(), &Patch::Merge(change)).await.map(drop)?;
        }
        None => cluster.delete(Kind::Agent, &victim.name).await?,
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
    ensure!((status, code) == refusal(by), "refused with {status}, closed with {code}");
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
