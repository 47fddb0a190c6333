//! Measures how long it takes until all agents are back after their connections ended at once, and
//! what another pair of agents notices meanwhile.
//!
//! [`storm`] is the thread of the agents, [`report`] prints the table.

pub mod report;
mod storm;

use std::cell::RefCell;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use hdrhistogram::Histogram;
use protocol::envelope::Class;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinSet, LocalSet};

use super::idle::{SPARE_FILES, closed};
use super::noisy_neighbour::bystander;
use super::pair::MessageCounts;
use super::process;
use super::relay::agents::{AgentPopulation, RegisteredStream, RelayTransport};
use super::relay::{Frames, IdSpace};
use super::server::Connected;
use crate::open_files;
use report::ReconnectsReport;
use storm::Storm;

/// Bytes of a bystander's message on the wire.
const MESSAGE_BYTES: usize = 1024;
/// The sender and the recipient that stay connected. Those of each round are others: the relay may
/// not have read the last acknowledgement of a round when its connections end.
const BYSTANDERS: usize = 2;
/// Time for the bystanders' last messages.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(30);

/// What a run measures.
#[derive(Debug, Clone)]
pub struct ReconnectsPlan {
    pub transports: Vec<RelayTransport>,
    pub connections: usize,
    /// Agents that connect at the same time; the others wait for their turn.
    pub connecting: usize,
    pub rounds: u32,
    /// Time in which the bystanders are measured before the connections end.
    pub calm: Duration,
    pub pinned: bool,
}

/// The measurements of one round.
#[derive(Debug, Clone)]
pub struct ReconnectsRound {
    /// From the end of the connections until the last agent is registered again.
    pub took: Duration,
    /// CPU time of the relay in this time.
    pub cpu: Duration,
    /// Microseconds from a bystander's send to the answer, before and in this time.
    pub calm: Histogram<u64>,
    pub meanwhile: Histogram<u64>,
    /// Messages of the bystanders, each of which arrived once.
    pub messages: u64,
}

/// Measures each transport in turn, round after round.
///
/// # Errors
/// The relay refuses an agent, or a bystander's message is lost, repeated or out of order.
pub async fn run(plan: &ReconnectsPlan) -> anyhow::Result<ReconnectsReport> {
    open_files::allow(plan.connections as u64 + SPARE_FILES)?;
    let mut populations = Vec::new();
    for transport in &plan.transports {
        let agents = plan.connections + BYSTANDERS * usize::try_from(plan.rounds)?;
        let started = AgentPopulation::start(agents, *transport, plan.pinned).await?;
        populations.push((*transport, Arc::new(started)));
    }
    let mut report = ReconnectsReport::new(plan.connections);
    for number in 0..plan.rounds {
        for (transport, population) in &populations {
            let first = plan.connections + BYSTANDERS * usize::try_from(number)?;
            let round = LocalSet::new().run_until(round(population, first, plan)).await;
            let round = round.with_context(|| format!("{transport}, round {}", number + 1))?;
            tracing::info!(%transport, round = number + 1, took = ?round.took, "round done");
            report.add(*transport, round);
        }
    }
    Ok(report)
}

/// The bystanders are agent `first` and the one after it.
async fn round(
    population: &Arc<AgentPopulation>,
    first: usize,
    plan: &ReconnectsPlan,
) -> anyhow::Result<ReconnectsRound> {
    let pid = population.process.pid()?;
    let sockets = open_files::sockets_of(pid)?;
    let storm = Storm::start(population, plan).await?;
    let counts = MessageCounts::shared()?;
    let pair = bystander::pair(bystanders(population, first).await?, &counts);
    let mut pairs = JoinSet::new();
    pairs.spawn_local(pair.run());
    let measured = async {
        counts.borrow_mut().recording = true;
        tokio::time::sleep(plan.calm).await;
        let (calm, cpu) = (take_latencies(&counts), process::cpu_time(pid)?);
        let took = storm.break_out().await?;
        let (meanwhile, cpu) = (take_latencies(&counts), process::cpu_time(pid)?.saturating_sub(cpu));
        anyhow::Ok((took, cpu, calm, meanwhile))
    };
    let (took, cpu, calm, meanwhile) = tokio::select! {
        measured = measured => measured?,
        Some(ended) = pairs.join_next() => {
            ended.context("a bystander panicked")??;
            anyhow::bail!("the bystanders ended before the end of the round");
        }
    };
    counts.borrow_mut().stopping = true;
    let sent =
        tokio::time::timeout(DRAIN_TIMEOUT, pairs.join_next()).await.context("messages are missing")?;
    let messages = sent.context("no bystanders")?.context("a bystander panicked")??;
    let done = counts.borrow().done;
    ensure!(messages == done, "{messages} messages sent, {done} done");
    closed(pid, sockets).await?;
    Ok(ReconnectsRound { took, cpu, calm, meanwhile, messages })
}

/// What was recorded since the last call.
fn take_latencies(counts: &RefCell<MessageCounts>) -> Histogram<u64> {
    let latency = &mut counts.borrow_mut().latency;
    let taken = latency.clone();
    latency.reset();
    taken
}

async fn bystanders(population: &AgentPopulation, first: usize) -> anyhow::Result<Connected> {
    let (sender, recipient) = (population.did(first)?, population.did(first + 1)?);
    let frames = Frames::new(sender, recipient, Class::Reliable, MESSAGE_BYTES, IdSpace::now(0))?;
    let sender = plain(population.connect(first).await?).await?;
    let recipient = plain(population.connect(first + 1).await?).await?;
    Ok(((sender, recipient), Box::new(frames)))
}

/// The stream without TLS: a task of this thread encrypts and decrypts.
async fn plain(stream: RegisteredStream) -> anyhow::Result<TcpStream> {
    let mut stream = match stream {
        RegisteredStream::Plain(stream) => return Ok(stream),
        RegisteredStream::Tls(stream) => stream,
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.context("bind a loopback port")?;
    let (outer, accepted) = tokio::join!(TcpStream::connect(listener.local_addr()?), listener.accept());
    let (mut inner, _) = accepted?;
    inner.set_nodelay(true)?;
    stream.get_ref().0.set_nodelay(true)?;
    // It ends with either connection; the pair notices the end of the relay's.
    tokio::task::spawn_local(async move {
        drop(tokio::io::copy_bidirectional(&mut inner, &mut stream).await);
    });
    Ok(outer?)
}
