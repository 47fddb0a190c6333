//! Revokes keys at one Relay while another one swallows every packet, with work waiting for it.

use std::fmt;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};

use super::objects;
use super::relay_metrics::METRICS_PORT;
use super::revoke::RevocationLatency;
use super::{Bench, platform, revoke, roll, victims};
use crate::command::run as run_command;
use crate::pod_process::PodProcess;

/// The id of the rotation that waits for the Relay.
const ROTATION: &str = "black-hole";
/// Time for the operator to run into the silence with everything it has.
const SILENCE_GRACE: Duration = Duration::from_secs(15);

/// How fast keys are refused elsewhere, and how fast the Relay is caught up with.
#[derive(Debug)]
pub struct BlackHole {
    waiting: usize,
    revocations: RevocationLatency,
    caught_up: Duration,
}

/// # Errors
/// There is one Relay only, its process is not on this machine, a key stays good, or the Relay is
/// not caught up with.
pub async fn run(bench: &Bench) -> anyhow::Result<BlackHole> {
    let plan = &bench.plan;
    ensure!(plan.relays > 1 && plan.tenants > 1, "a black hole needs a second Relay with a Tenant");
    let silent = plan.relays - 1;
    let relay_of =
        |agent| platform::relay_of_tenant(platform::tenant_of_agent(agent, plan.tenants), plan.relays);
    let waiting: Vec<_> = (0..plan.agents).filter(|agent| relay_of(*agent) == silent).collect();
    ensure!(!waiting.is_empty(), "no Agent is at the last Relay");
    let prepared = victims::prepare(bench).await?;
    let pod = format!("{}-0", objects::relay_name(silent));
    let process = PodProcess::of(&bench.cluster.client, &bench.cluster.namespace, &pod).await?;
    let silence = Silence::begin(&process)?;
    roll::request(bench, ROTATION, waiting.iter().copied()).await?;
    tokio::time::sleep(SILENCE_GRACE).await;
    let revocations = revoke::each(bench, prepared).await?;
    drop(silence);
    let ended = Instant::now();
    roll::carried_out(bench, ROTATION, waiting.len(), plan.limit).await.context("after the silence")?;
    Ok(BlackHole { waiting: waiting.len(), revocations, caught_up: ended.elapsed() })
}

/// A pod that gets no packet, except the kubelet's probes: it stays Ready, and the operator goes on
/// trying. Ends when it is dropped.
struct Silence<'a>(&'a PodProcess);

impl<'a> Silence<'a> {
    fn begin(process: &'a PodProcess) -> anyhow::Result<Self> {
        let silence = Self(process);
        silence.rule("-I").context("swallow the packets of a Relay")?;
        Ok(silence)
    }

    fn rule(&self, action: &str) -> anyhow::Result<()> {
        let (network, port) = (format!("--net=/proc/{}/ns/net", self.0.pid()), METRICS_PORT.to_string());
        let drop_all = ["-p", "tcp", "!", "--dport", &port, "-j", "DROP"];
        let command = [&network, "--", "iptables", "-w", action, "INPUT"];
        run_command(
            "nsenter",
            command.into_iter().map(|word| word.to_owned()).chain(drop_all.map(String::from)),
        )
        .map(drop)
    }
}

impl Drop for Silence<'_> {
    fn drop(&mut self) {
        if let Err(error) = self.rule("-D") {
            tracing::error!("{} still gets no packets: {error:#}", self.0.pod);
        }
    }
}

impl BlackHole {
    /// # Errors
    /// The promise of revocations is broken.
    pub fn check(&self) -> anyhow::Result<()> {
        self.revocations.check()
    }
}

impl fmt::Display for BlackHole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "one Relay swallows every packet, and {} changes wait for it:", self.waiting)?;
        writeln!(f, "  all carried out      {:.2} s after its end", self.caught_up.as_secs_f64())?;
        write!(f, "meanwhile, at another Relay: {}", self.revocations)
    }
}
