//! Ends the API server, which forgets every watch, and revokes keys as soon as the next one is
//! ready, while the operator lists everything again.

use std::fmt;
use std::fs;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};

use super::bench_cluster::RelayAccess;
use super::revoke::RevocationLatency;
use super::{Bench, revoke, victims};
use crate::cluster::process_identity::ProcessIdentity;
use crate::eventually::eventually;

/// The program as the kernel names it.
const API_SERVER: &str = "kube-apiserver";
/// The built-in cluster starts it again after a second.
const RESTART_TIMEOUT: Duration = Duration::from_secs(60);

/// How fast keys are refused after every watch has ended.
#[derive(Debug)]
pub struct Relist {
    away: Duration,
    revocations: RevocationLatency,
}

/// # Errors
/// The benchmark does not run inside the built-in cluster, the API server does not come back, or a
/// key stays good.
pub async fn run(bench: &Bench) -> anyhow::Result<Relist> {
    let inside = bench.cluster.access == RelayAccess::PodAddress;
    ensure!(inside, "the API server is ended in the built-in cluster only");
    let prepared = victims::prepare(bench).await?;
    let ended = Instant::now();
    api_server()?.kill()?;
    eventually("the API server is ready again", RESTART_TIMEOUT, async || {
        api_server()?;
        // What a load balancer waits for before it sends anybody to this server.
        bench.cluster.page("/readyz").await.map(drop)
    })
    .await?;
    let away = ended.elapsed();
    Ok(Relist { away, revocations: revoke::each(bench, prepared).await? })
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
        self.revocations.check()
    }
}

impl fmt::Display for Relist {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "API server ended, back after {:.2} s, and all watches with it:",
            self.away.as_secs_f64()
        )?;
        write!(f, "from then on: {}", self.revocations)
    }
}
