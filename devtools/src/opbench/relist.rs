//! Ends the API server, which forgets every watch, and revokes keys as soon as the next one works,
//! while the operator lists everything again.
//!
//! It does so twice. A server that is ready serves no watch of Agents until it has read them all,
//! and until then can tell nobody what was deleted. So the first keys are revoked when it serves
//! watches, and the promise is about them; the others as soon as it calls itself ready.

use std::fmt;
use std::fs;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};

use super::bench_cluster::{BenchCluster, RelayAccess};
use super::objects::Kind;
use super::revoke::RevocationLatency;
use super::{Bench, revoke, victims};
use crate::cluster::process_identity::ProcessIdentity;
use crate::eventually::eventually;
use kube::api::WatchParams;

/// The program as the kernel names it.
const API_SERVER: &str = "kube-apiserver";
/// The built-in cluster starts it again after a second.
const RESTART_TIMEOUT: Duration = Duration::from_secs(60);

/// When keys are revoked after an end of the API server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum RevokedWhen {
    /// It serves watches of Agents.
    Watchable,
    /// It calls itself ready, as a load balancer waits for before it sends anybody to this server.
    Ready,
}

/// How fast keys are refused after every watch has ended.
#[derive(Debug)]
pub struct Relist {
    watchable: AfterRestart,
    ready: AfterRestart,
}

/// One end of the API server.
#[derive(Debug)]
struct AfterRestart {
    away: Duration,
    revocations: RevocationLatency,
}

/// # Errors
/// The benchmark does not run inside the built-in cluster, the API server does not come back, or a
/// key stays good.
pub async fn run(bench: &Bench) -> anyhow::Result<Relist> {
    let inside = bench.cluster.access == RelayAccess::PodAddress;
    ensure!(inside, "the API server is ended in the built-in cluster only");
    let watchable = once(bench, RevokedWhen::Watchable).await?;
    Ok(Relist { watchable, ready: once(bench, RevokedWhen::Ready).await? })
}

async fn once(bench: &Bench, when: RevokedWhen) -> anyhow::Result<AfterRestart> {
    let prepared = victims::prepare(bench).await?;
    let ended = Instant::now();
    api_server()?.kill()?;
    eventually(&format!("the API server works again ({when:?})"), RESTART_TIMEOUT, async || {
        api_server()?;
        bench.cluster.page("/readyz").await?;
        if when == RevokedWhen::Watchable {
            watch_agents(&bench.cluster).await?;
        }
        Ok(())
    })
    .await?;
    let away = ended.elapsed();
    Ok(AfterRestart { away, revocations: revoke::each(bench, prepared).await? })
}

/// Opens a watch of no Agent, which ends after a second.
///
/// # Errors
/// The API server does not serve it.
async fn watch_agents(cluster: &BenchCluster) -> anyhow::Result<()> {
    let none = WatchParams::default().fields("metadata.name=none").timeout(1);
    cluster.objects(Kind::Agent).watch(&none, "0").await.map(drop).context("watch Agents")
}

/// The one API server among the processes that this one sees.
fn api_server() -> anyhow::Result<ProcessIdentity> {
    let processes = fs::read_dir("/proc").context("list the processes")?;
    let pids = processes.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok());
    let named = |pid: &u32| {
        fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name.trim_end() == API_SERVER)
    };
    let found: Vec<_> = pids.filter(named).filter_map(ProcessIdentity::of).collect();
    match found.as_slice() {
        [one] => Ok(*one),
        others => bail!("{} processes are called {API_SERVER}", others.len()),
    }
}

impl Relist {
    /// # Errors
    /// The promise of revocations is broken.
    pub fn check(&self) -> anyhow::Result<()> {
        self.watchable.revocations.check()
    }
}

impl fmt::Display for Relist {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { watchable, ready } = self;
        writeln!(f, "API server ended, and all watches with it:")?;
        writeln!(f, "from when it served watches of Agents, after {:.2} s: ", watchable.away.as_secs_f64())?;
        writeln!(f, "{}", watchable.revocations)?;
        writeln!(f, "ended again, and from when it was ready, after {:.2} s: ", ready.away.as_secs_f64())?;
        write!(f, "{}", ready.revocations)
    }
}
