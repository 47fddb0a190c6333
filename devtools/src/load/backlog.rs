//! Measures durable messages: senders to recipients that are away, each message answered `stored`,
//! and then the recipients, who come and acknowledge everything.
//!
//! [`queue`] has the two loops of a connection, [`report`] prints the table.

pub mod queue;
pub mod report;

use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use futures::future::try_join_all;
use hdrhistogram::Histogram;
use protocol::envelope::Class;

use super::idle::closed;
use super::pair::new_latencies;
use super::plan::Workload;
use super::process;
use super::relay::agents::{AgentPopulation, RelayTransport};
use super::relay::{Frames, IdSpace};
use crate::eventually::eventually;
use crate::open_files;
use report::BacklogReport;

/// Messages of a run: more need gigabytes of disk.
pub const MESSAGES_MAX: u32 = 1_000_000;
/// The relay counts its rows once a second.
const DELETED_TIMEOUT: Duration = Duration::from_secs(60);
/// The metric with this count.
const ROWS: &str = "msg2agent_relay_mailbox_messages ";

/// What a run measures.
#[derive(Debug, Clone)]
pub struct BacklogPlan {
    /// Senders, each with so many messages in flight to its own recipient.
    pub workload: Workload,
    /// Messages of each sender.
    pub messages: u32,
    /// Bytes of a message on the wire.
    pub size: usize,
    pub rounds: u32,
    pub pinned: bool,
}

/// The measurements of one round.
#[derive(Debug, Clone)]
pub struct BacklogRound {
    /// Messages, each of which was stored, arrived once and in order, and was acknowledged.
    pub messages: u64,
    /// From the first message until the last answer.
    pub storing: Duration,
    /// CPU time of the relay in this time.
    pub storing_cpu: Duration,
    /// Microseconds from a message to its answer.
    pub latency: Histogram<u64>,
    /// From the first recipient's connection until the last acknowledgement was sent.
    pub draining: Duration,
    pub draining_cpu: Duration,
    /// The same until the relay counted no message any more, which it does once a second.
    pub deleted: Duration,
}

/// Measures round after round, each on a relay that has just started.
///
/// # Errors
/// A message is refused, not stored, lost, repeated or out of order.
pub async fn run(plan: &BacklogPlan) -> anyhow::Result<BacklogReport> {
    let mut report = BacklogReport::new(plan.workload);
    for number in 0..plan.rounds {
        let agents = 2 * usize::from(plan.workload.pairs);
        let population = AgentPopulation::start(agents, RelayTransport::Plain, plan.pinned).await?;
        let round = round(&population, plan).await.with_context(|| format!("round {}", number + 1))?;
        tracing::info!(round = number + 1, storing = ?round.storing, draining = ?round.draining, "round done");
        report.add(round);
    }
    Ok(report)
}

async fn round(population: &AgentPopulation, plan: &BacklogPlan) -> anyhow::Result<BacklogRound> {
    let pid = population.process.pid()?;
    let pairs = usize::from(plan.workload.pairs);
    let sockets = open_files::sockets_of(pid)?;
    // The relay knows them then, and they are away.
    for recipient in pairs..2 * pairs {
        drop(population.connect(recipient).await?);
    }
    closed(pid, sockets).await?;
    let mut frames = Vec::new();
    for number in 0..plan.workload.pairs {
        let sender = usize::from(number);
        let (from, to) = (population.did(sender)?, population.did(pairs + sender)?);
        frames.push(Frames::new(from, to, Class::Reliable, plan.size, IdSpace::now(number))?);
    }
    let senders = try_join_all((0..pairs).map(|number| population.connect_plain(number))).await?;
    let (start, cpu) = (Instant::now(), process::cpu_time(pid)?);
    let count = u64::from(plan.messages);
    let sending = senders.into_iter().zip(&mut frames);
    let sending = sending.map(|(stream, frames)| queue::store(stream, frames, count, plan.workload.window));
    let latencies = try_join_all(sending).await.context("store messages")?;
    let (storing, storing_cpu) = (start.elapsed(), process::cpu_time(pid)?.saturating_sub(cpu));

    let (start, cpu) = (Instant::now(), process::cpu_time(pid)?);
    let draining = (pairs..).zip(&mut frames).map(async |(number, frames)| {
        let (stream, pending) = population.connect_pending(number).await?;
        ensure!(pending == count, "{pending} messages wait of {count}");
        queue::drain(stream, frames, count).await
    });
    // The connections stay open, so that no acknowledgement is lost with one.
    let open = try_join_all(draining).await.context("drain messages")?;
    let (draining, draining_cpu) = (start.elapsed(), process::cpu_time(pid)?.saturating_sub(cpu));
    let deleted = eventually("no message waits", DELETED_TIMEOUT, async || {
        let metrics = population.process.metrics().await?;
        let rows =
            metrics.lines().find_map(|line| line.strip_prefix(ROWS)).context("no count of messages")?;
        ensure!(rows.trim() == "0", "{rows} messages wait");
        Ok(start.elapsed())
    });
    let deleted = deleted.await?;
    drop(open);
    let mut latency = new_latencies()?;
    for own in latencies {
        latency.add(own)?;
    }
    let messages = count * u64::from(plan.workload.pairs);
    Ok(BacklogRound { messages, storing, storing_cpu, latency, draining, draining_cpu, deleted })
}
