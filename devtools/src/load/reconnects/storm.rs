//! The agents whose connections end at once: a thread of their own, which runs only while the
//! bystanders wait, so that these do not measure the generator.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use futures::{StreamExt as _, TryStreamExt as _};
use tokio::sync::oneshot;

use super::ReconnectsPlan;
use crate::load::process;
use crate::load::relay::agents::{AgentPopulation, RegisteredStream};

/// Agents that connect at the same time at the start of a round.
const OPENING: usize = 64;

/// All agents are connected.
pub(super) struct Storm {
    thread: JoinHandle<anyhow::Result<()>>,
    go: oneshot::Sender<()>,
    back: oneshot::Receiver<Duration>,
}

/// The thread's ends of the channels.
struct Signals {
    opened: oneshot::Sender<()>,
    go: oneshot::Receiver<()>,
    back: oneshot::Sender<Duration>,
}

impl Storm {
    /// Connects all agents.
    ///
    /// # Errors
    /// The relay refuses one.
    pub(super) async fn start(
        population: &Arc<AgentPopulation>,
        plan: &ReconnectsPlan,
    ) -> anyhow::Result<Self> {
        let (opened, all_open) = oneshot::channel();
        let ((go, told), (all_back, back)) = (oneshot::channel(), oneshot::channel());
        let signals = Signals { opened, go: told, back: all_back };
        let (population, plan) = (Arc::clone(population), plan.clone());
        let thread = std::thread::Builder::new().name("storm".to_owned());
        let thread = thread.spawn(move || {
            if plan.pinned {
                process::yield_to_others()?;
            }
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(agents(&population, &plan, signals))
        })?;
        match all_open.await {
            Ok(()) => Ok(Self { thread, go, back }),
            Err(_) => Err(failure(thread)),
        }
    }

    /// Ends all connections and waits until all agents are back: the time that took. They leave
    /// then.
    ///
    /// # Errors
    /// The relay refuses an agent.
    pub(super) async fn break_out(self) -> anyhow::Result<Duration> {
        let Self { thread, go, back } = self;
        // Nobody hears it only if the thread has failed, which the next line says.
        let _ = go.send(());
        let Ok(took) = back.await else { return Err(failure(thread)) };
        Ok(took)
    }
}

async fn agents(population: &AgentPopulation, plan: &ReconnectsPlan, signals: Signals) -> anyhow::Result<()> {
    let streams = connect_all(population, plan.connections, OPENING).await?;
    // Whoever waits for it has given up otherwise.
    let _ = signals.opened.send(());
    if signals.go.await.is_err() {
        return Ok(());
    }
    let start = Instant::now();
    drop(streams);
    let streams = connect_all(population, plan.connections, plan.connecting).await?;
    // The same holds here.
    let _ = signals.back.send(start.elapsed());
    drop(streams);
    Ok(())
}

async fn connect_all(
    population: &AgentPopulation,
    count: usize,
    at_once: usize,
) -> anyhow::Result<Vec<RegisteredStream>> {
    let connecting = futures::stream::iter(0..count).map(|number| async move {
        population.connect(number).await.with_context(|| format!("agent {number}"))
    });
    connecting.buffer_unordered(at_once).try_collect().await
}

/// Why the thread has ended early.
fn failure(thread: JoinHandle<anyhow::Result<()>>) -> anyhow::Error {
    let ended = || match thread.join() {
        Ok(ended) => ended,
        Err(_) => bail!("the thread of the agents panicked"),
    };
    ended().err().unwrap_or_else(|| anyhow::anyhow!("the thread of the agents ended early"))
}
