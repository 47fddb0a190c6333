//! Runs one round: connects the pairs, warms up, measures, stops, and checks that every message has
//! arrived.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use hdrhistogram::Histogram;
use tokio::task::{JoinSet, LocalSet};

use super::pair::{MessageCounts, Pair};
use super::plan::{LoadPlan, LoadSubject, Workload};
use super::process;
use super::server::Servers;
use super::window::Window;

/// Time for what is in flight to come after the measurement.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(10);

/// The measurements of one round.
#[derive(Debug, Clone)]
pub struct Round {
    /// Messages done in the measured time.
    pub messages: u64,
    pub wall: Duration,
    /// User and system time of the server in this time.
    pub cpu: Duration,
    /// Microseconds.
    pub latency: Histogram<u64>,
    /// All messages of the round, warm-up and drain included; each arrived once.
    pub total: u64,
    /// Answers `stored` among all.
    pub stored: u64,
}

impl Round {
    /// Messages per second of server CPU.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
    pub fn per_cpu_second(&self) -> f64 {
        self.messages as f64 / self.cpu.as_secs_f64().max(f64::MIN_POSITIVE)
    }

    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
    pub fn per_wall_second(&self) -> f64 {
        self.messages as f64 / self.wall.as_secs_f64().max(f64::MIN_POSITIVE)
    }
}

/// # Errors
/// A connection that fails, a server that loses or repeats a message, or nothing done.
pub async fn run(
    servers: &Servers,
    subject: LoadSubject,
    workload: Workload,
    plan: &LoadPlan,
) -> anyhow::Result<Round> {
    let counts = MessageCounts::shared()?;
    let connected = servers.connect(subject, workload.pairs, plan.size).await.context("connect the pairs")?;
    let start = Instant::now();
    let pairs = (0_u16..).zip(connected).map(|(number, (streams, codec))| {
        let window = Window::new(workload.window, subject);
        let schedule = plan.pace.schedule(number, workload.pairs, start);
        Pair::new(streams, codec, window, Rc::clone(&counts)).scheduled(schedule)
    });
    let times = RoundTimes { warm_up: plan.warm_up, measured: plan.measured };
    let round = drive(pairs.collect(), &counts, servers.process(subject)?, times).await?;
    ensure!(round.messages > 0, "no message was done in {} s", times.measured.as_secs_f64());
    Ok(round)
}

/// How long the parts of a round take.
#[derive(Debug, Clone, Copy)]
pub struct RoundTimes {
    pub warm_up: Duration,
    pub measured: Duration,
}

/// Runs pairs that share `counts`, and counts the CPU time of the process `server`.
///
/// # Errors
/// A server that loses or repeats a message.
pub async fn drive(
    pairs: Vec<Pair>,
    counts: &RefCell<MessageCounts>,
    server: u32,
    times: RoundTimes,
) -> anyhow::Result<Round> {
    let local = LocalSet::new();
    let mut running = JoinSet::new();
    for pair in pairs {
        running.spawn_local_on(pair.run(), &local);
    }
    local.run_until(measure(running, counts, server, times)).await
}

async fn measure(
    mut pairs: JoinSet<anyhow::Result<u64>>,
    counts: &RefCell<MessageCounts>,
    server: u32,
    times: RoundTimes,
) -> anyhow::Result<Round> {
    undisturbed(&mut pairs, times.warm_up).await?;
    let (start, cpu, done) = (Instant::now(), process::cpu_time(server)?, counts.borrow().done);
    counts.borrow_mut().recording = true;
    undisturbed(&mut pairs, times.measured).await?;
    let (wall, cpu) = (start.elapsed(), process::cpu_time(server)?.saturating_sub(cpu));
    let messages = counts.borrow().done - done;
    counts.borrow_mut().recording = false;
    counts.borrow_mut().stopping = true;
    let total =
        tokio::time::timeout(DRAIN_TIMEOUT, sum(&mut pairs)).await.context("messages are missing")??;
    ensure!(total == counts.borrow().done, "{total} messages sent, {} done", counts.borrow().done);
    let MessageCounts { latency, stored, .. } = &*counts.borrow();
    Ok(Round { messages, wall, cpu, latency: latency.clone(), total, stored: *stored })
}

/// Waits. A pair that ends in this time has failed.
async fn undisturbed(pairs: &mut JoinSet<anyhow::Result<u64>>, time: Duration) -> anyhow::Result<()> {
    tokio::select! {
        () = tokio::time::sleep(time) => Ok(()),
        Some(ended) = pairs.join_next() => {
            ended.context("a pair panicked")??;
            anyhow::bail!("a pair ended before the end of the round");
        }
    }
}

async fn sum(pairs: &mut JoinSet<anyhow::Result<u64>>) -> anyhow::Result<u64> {
    let mut total = 0;
    while let Some(sent) = pairs.join_next().await {
        total += sent.context("a pair panicked")??;
    }
    Ok(total)
}
