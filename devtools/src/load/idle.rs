//! Measures what idle connections cost a server: its memory while they are open and after they have
//! ended, and its CPU time.
//!
//! [`report`] prints the table.

pub mod report;

use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use clap::ValueEnum;
use futures::{StreamExt as _, TryStreamExt as _};
use tokio::net::TcpStream;

use super::nats::{self, Nats, NatsTransport};
use super::process;
use super::relay::agents::{AgentPopulation, RegisteredStream, RelayTransport};
use crate::eventually::eventually;
use crate::{memory_usage, open_files};
use report::IdleReport;

/// Open files of a server or of the generator beside the connections.
pub(super) const SPARE_FILES: u64 = 256;
/// Connections that are opened at the same time.
const OPENING: usize = 64;
/// Time a server may take to notice that its clients have gone.
const CLOSED_TIMEOUT: Duration = Duration::from_secs(60);

/// What a run measures.
#[derive(Debug, Clone)]
pub struct IdlePlan {
    pub subjects: Vec<IdleSubject>,
    pub connections: usize,
    pub rounds: u32,
    /// Time in which nothing is sent. No server ends a connection within a minute.
    pub idle: Duration,
    pub pinned: bool,
}

/// A server and how it is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum IdleSubject {
    /// Each connection has one subscription.
    Nats,
    NatsWebSocket,
    /// Each connection is that of a registered agent.
    Relay,
    RelayTls,
}

/// The measurements of one round.
#[derive(Debug, Clone, Copy)]
pub struct IdleRound {
    /// Resident memory of the server before the connections, in bytes.
    pub before: u64,
    /// The same while all are open and idle.
    pub open: u64,
    /// The same after all have ended.
    pub after: u64,
    /// CPU time of the server until all were open.
    pub opening_cpu: Duration,
    /// CPU time of the server while all were idle.
    pub idle_cpu: Duration,
    pub idle: Duration,
}

/// Measures each subject in turn, round after round, each time on a server that has just started.
///
/// # Errors
/// A server does not start, refuses a connection or ends one.
pub async fn run(plan: &IdlePlan) -> anyhow::Result<IdleReport> {
    open_files::allow(plan.connections as u64 + SPARE_FILES)?;
    let mut report = IdleReport::new(plan.connections);
    for number in 0..plan.rounds {
        for subject in &plan.subjects {
            let server = match IdleServer::start(*subject, plan).await? {
                Ok(server) => server,
                Err(missing) => {
                    report.leave_out(*subject, missing);
                    continue;
                }
            };
            let round = round(&server, plan);
            let round = round.await.with_context(|| format!("{subject}, round {}", number + 1))?;
            tracing::info!(%subject, round = number + 1, ?round, "round done");
            report.add(*subject, round);
        }
    }
    Ok(report)
}

enum IdleServer {
    Nats(Nats, NatsTransport),
    Relay(Box<AgentPopulation>),
}

impl IdleServer {
    /// The server, or why this machine has none.
    async fn start(subject: IdleSubject, plan: &IdlePlan) -> anyhow::Result<Result<Self, String>> {
        // One agent more, which connects before the measurement.
        let relay = async |transport| {
            let started = AgentPopulation::start(plan.connections + 1, transport, plan.pinned).await?;
            anyhow::Ok(Ok(Self::Relay(Box::new(started))))
        };
        let transport = match subject {
            IdleSubject::Relay => return relay(RelayTransport::Plain).await,
            IdleSubject::RelayTls => return relay(RelayTransport::Tls).await,
            IdleSubject::Nats => NatsTransport::Tcp,
            IdleSubject::NatsWebSocket => NatsTransport::WebSocket,
        };
        match nats::program() {
            Ok(program) => Ok(Ok(Self::Nats(Nats::start(&program, plan.pinned).await?, transport))),
            Err(error) => Ok(Err(format!("{error:#}"))),
        }
    }

    fn pid(&self) -> anyhow::Result<u32> {
        match self {
            Self::Nats(server, _) => Ok(server.process.id()),
            Self::Relay(population) => population.process.pid(),
        }
    }

    async fn connect(&self, number: usize) -> anyhow::Result<RegisteredStream> {
        match self {
            Self::Nats(server, transport) => {
                Ok(RegisteredStream::Plain(server.subscribe(*transport, number).await?))
            }
            Self::Relay(population) => population.connect(number).await,
        }
    }
}

async fn round(server: &IdleServer, plan: &IdlePlan) -> anyhow::Result<IdleRound> {
    let pid = server.pid()?;
    let sockets = open_files::sockets_of(pid)?;
    // The first connection makes pools and tables that are no connection's.
    drop(server.connect(plan.connections).await?);
    closed(pid, sockets).await?;
    let (before, cpu) = (memory_usage::resident(pid)?, process::cpu_time(pid)?);
    let opening = futures::stream::iter(0..plan.connections).map(|number| server.connect(number));
    let open: Vec<_> = opening.buffer_unordered(OPENING).try_collect().await?;
    let opening_cpu = process::cpu_time(pid)?.saturating_sub(cpu);
    let (cpu, start) = (process::cpu_time(pid)?, Instant::now());
    tokio::time::sleep(plan.idle).await;
    let (idle_cpu, idle) = (process::cpu_time(pid)?.saturating_sub(cpu), start.elapsed());
    let bytes = memory_usage::resident(pid)?;
    for stream in &open {
        still_open(stream.tcp())?;
    }
    drop(open);
    closed(pid, sockets).await?;
    let after = memory_usage::resident(pid)?;
    Ok(IdleRound { before, open: bytes, after, opening_cpu, idle_cpu, idle })
}

/// Waits until the server has closed its ends.
pub(super) async fn closed(pid: u32, sockets: usize) -> anyhow::Result<()> {
    eventually("the server has closed all connections", CLOSED_TIMEOUT, async || {
        let open = open_files::sockets_of(pid)?;
        ensure!(open <= sockets, "{open} sockets are open, {sockets} were");
        Ok(())
    })
    .await
}

/// Whatever the server has sent meanwhile, such as a ping, is no end.
fn still_open(stream: &TcpStream) -> anyhow::Result<()> {
    match stream.try_read(&mut [0]) {
        Ok(0) => anyhow::bail!("the server closed an idle connection"),
        Ok(_) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => Ok(()),
        Err(error) => Err(error).context("an idle connection"),
    }
}
