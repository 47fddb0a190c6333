//! Prints how many messages per second of server CPU the relay handles, beside a TCP forwarder and
//! nats-server, and what agents notice beside an attacker.

use std::ops::RangeInclusive;
use std::time::Duration;

use anyhow::ensure;
use clap::{Args, Parser, Subcommand, ValueEnum};
use msg2agent_devtools::load::backlog::{BacklogPlan, MESSAGES_MAX};
use msg2agent_devtools::load::idle::{IdlePlan, IdleSubject};
use msg2agent_devtools::load::latency_report::LatencyReport;
use msg2agent_devtools::load::noisy_neighbour::report::P99_RATIO_MAX;
use msg2agent_devtools::load::noisy_neighbour::scenario::{AttackScenario, AttackedResource, AttackerScope};
use msg2agent_devtools::load::noisy_neighbour::{self, NoisyNeighbourPlan};
use msg2agent_devtools::load::plan::{
    LoadPlan, LoadSubject, MAX_ROUND_TIMEOUT_SECONDS, PAIRS_MAX, ROUNDS_MAX, SendPace, WINDOW_MAX, Workload,
};
use msg2agent_devtools::load::reconnects::ReconnectsPlan;
use msg2agent_devtools::load::relay::agents::RelayTransport;
use msg2agent_devtools::load::round::RoundTimes;
use msg2agent_devtools::load::{self, process};

/// Drives pairs of agents through each server in turn and prints messages per second of the
/// server's CPU.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    /// Servers to measure, in this order in each round. Default: all.
    #[arg(long, value_enum)]
    subject: Vec<LoadSubject>,
    /// Pairs and messages in flight per pair.
    #[arg(long, default_values = ["16x16", "64x1"])]
    workload: Vec<Workload>,
    #[arg(long, global = true, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=i64::from(ROUNDS_MAX)))]
    rounds: u32,
    /// Measured seconds of each round.
    #[arg(long, global = true, default_value_t = 2.0, value_parser = seconds)]
    seconds: f64,
    /// Seconds before the measurement of each round.
    #[arg(long, global = true, default_value_t = 1.0, value_parser = seconds)]
    warm_up: f64,
    /// Bytes of a message on the wire.
    #[arg(long, default_value_t = 1024, value_parser = clap::value_parser!(u32).range(SIZES))]
    size: u32,
    /// Do not put servers on CPU 0 and this program on CPU 1.
    #[arg(long, global = true)]
    unpinned: bool,
}

/// From the smallest envelope with a signature to half of the relay's largest frame.
const SIZES: RangeInclusive<i64> = 1024..=512 * 1024;

#[derive(Subcommand)]
enum Command {
    /// Serve as the TCP forwarder until stdin closes.
    #[command(hide = true)]
    Forwarder,
    /// Measure latencies at a fixed rate, from the time for which each message was scheduled.
    Latency(Latency),
    /// Measure memory and CPU time of idle connections.
    Idle(Idle),
    /// Measure how fast messages to agents that are away are stored, and drained when they come.
    Backlog(Backlog),
    /// Measure how long it takes until all agents are back after their connections ended at once.
    Reconnects(Reconnects),
    /// Measure what a pair of agents notices while an attacker tries to take everything.
    NoisyNeighbour(NoisyNeighbour),
}

#[derive(Args)]
struct Latency {
    /// Servers to measure, in this order in each round.
    #[arg(long, value_enum, default_values_t = [
        LoadSubject::Forwarder,
        LoadSubject::Nats,
        LoadSubject::NatsWebSocket,
        LoadSubject::RelayEphemeral,
        LoadSubject::RelayReliable,
    ])]
    subject: Vec<LoadSubject>,
    /// Messages per second, of all pairs together.
    #[arg(long, default_value_t = 40_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    rate: u32,
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=i64::from(PAIRS_MAX)))]
    pairs: u16,
    /// Bytes of a message on the wire.
    #[arg(long, default_value_t = 1024, value_parser = clap::value_parser!(u32).range(SIZES))]
    size: u32,
}

#[derive(Args)]
struct Idle {
    /// Servers to measure, in this order in each round. Default: all.
    #[arg(long, value_enum)]
    subject: Vec<IdleSubject>,
    /// Connections that are open at the same time. Server and generator need a file for each.
    #[arg(long, default_value_t = 5_000, value_parser = clap::value_parser!(u16).range(1..=25_000))]
    connections: u16,
}

#[derive(Args)]
struct Backlog {
    /// Senders and messages in flight per sender.
    #[arg(long, default_value = "16x64")]
    workload: Workload,
    /// Messages of each sender.
    #[arg(long, default_value_t = 6_000, value_parser = clap::value_parser!(u32).range(1..=i64::from(MESSAGES_MAX)))]
    messages: u32,
    /// Bytes of a message on the wire.
    #[arg(long, default_value_t = 1024, value_parser = clap::value_parser!(u32).range(SIZES))]
    size: u32,
}

#[derive(Args)]
struct Reconnects {
    /// Default: one after the other.
    #[arg(long, value_enum)]
    transport: Vec<RelayTransport>,
    /// Connections that end at once. Server and generator need a file for each.
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u16).range(1..=25_000))]
    connections: u16,
    /// Agents that connect at the same time, while the others wait for their turn.
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u16).range(1..=4_096))]
    connecting: u16,
}

#[derive(Args)]
struct NoisyNeighbour {
    /// What the attacker takes. Default: one after the other.
    #[arg(long, value_enum)]
    resource: Vec<AttackedResource>,
    /// As whom the attacker comes. Default: one after the other.
    #[arg(long = "as", value_enum)]
    scope: Vec<AttackerScope>,
}

fn seconds(text: &str) -> anyhow::Result<f64> {
    let value: f64 = text.parse()?;
    ensure!(
        (0.05..=Duration::from_secs(MAX_ROUND_TIMEOUT_SECONDS).as_secs_f64()).contains(&value),
        "0.05 to {MAX_ROUND_TIMEOUT_SECONDS} seconds"
    );
    Ok(value)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    if matches!(arguments.command, Some(Command::Forwarder)) {
        return load::forwarder::serve().await;
    }
    msg2agent_devtools::install_tls_provider();
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    if !arguments.unpinned {
        process::pin(std::process::id(), process::GENERATOR_CPU)?;
    }
    match &arguments.command {
        Some(Command::NoisyNeighbour(attacks)) => beside_attackers(&arguments, attacks).await,
        Some(Command::Latency(latency)) => {
            load::nats::build()?;
            let report = load::run(&open_loop(&arguments, latency)).await?;
            print!("{}", LatencyReport(&report));
            Ok(())
        }
        Some(Command::Idle(idle)) => {
            load::nats::build()?;
            print!("{}", load::idle::run(&idle_plan(&arguments, idle)).await?);
            Ok(())
        }
        Some(Command::Backlog(backlog)) => {
            print!("{}", load::backlog::run(&backlog_plan(&arguments, backlog)).await?);
            Ok(())
        }
        Some(Command::Reconnects(reconnects)) => {
            print!("{}", load::reconnects::run(&reconnects_plan(&arguments, reconnects)).await?);
            Ok(())
        }
        _ => {
            load::nats::build()?;
            let report = load::run(&plan(&arguments)).await?;
            print!("{report}");
            Ok(())
        }
    }
}

async fn beside_attackers(arguments: &Arguments, attacks: &NoisyNeighbour) -> anyhow::Result<()> {
    let plan = NoisyNeighbourPlan {
        scenarios: AttackScenario::all(&or_all(&attacks.resource), &or_all(&attacks.scope)),
        rounds: u16::try_from(arguments.rounds)?,
        times: RoundTimes {
            warm_up: Duration::from_secs_f64(arguments.warm_up),
            measured: Duration::from_secs_f64(arguments.seconds),
        },
        pinned: !arguments.unpinned,
    };
    let report = noisy_neighbour::run(&plan).await?;
    print!("{report}");
    let exceeded: Vec<_> = report.exceeded().iter().map(ToString::to_string).collect();
    ensure!(exceeded.is_empty(), "p99 more than {P99_RATIO_MAX} times that alone: {}", exceeded.join("; "));
    Ok(())
}

fn or_all<T: ValueEnum + Clone>(chosen: &[T]) -> Vec<T> {
    if chosen.is_empty() { T::value_variants().to_vec() } else { chosen.to_vec() }
}

fn plan(arguments: &Arguments) -> LoadPlan {
    LoadPlan {
        subjects: or_all(&arguments.subject),
        workloads: arguments.workload.clone(),
        pace: SendPace::ClosedLoop,
        rounds: arguments.rounds,
        warm_up: Duration::from_secs_f64(arguments.warm_up),
        measured: Duration::from_secs_f64(arguments.seconds),
        size: usize::try_from(arguments.size).unwrap_or(usize::MAX),
        pinned: !arguments.unpinned,
    }
}

/// As many messages in flight as a pair may have: what is due is not held back before that.
fn open_loop(arguments: &Arguments, latency: &Latency) -> LoadPlan {
    LoadPlan {
        subjects: latency.subject.clone(),
        workloads: vec![Workload { pairs: latency.pairs, window: WINDOW_MAX }],
        pace: SendPace::OpenLoop { per_second: latency.rate },
        size: usize::try_from(latency.size).unwrap_or(usize::MAX),
        ..plan(arguments)
    }
}

fn idle_plan(arguments: &Arguments, idle: &Idle) -> IdlePlan {
    IdlePlan {
        subjects: or_all(&idle.subject),
        connections: idle.connections.into(),
        rounds: arguments.rounds,
        idle: Duration::from_secs_f64(arguments.seconds),
        pinned: !arguments.unpinned,
    }
}

fn reconnects_plan(arguments: &Arguments, reconnects: &Reconnects) -> ReconnectsPlan {
    ReconnectsPlan {
        transports: or_all(&reconnects.transport),
        connections: reconnects.connections.into(),
        connecting: reconnects.connecting.into(),
        rounds: arguments.rounds,
        calm: Duration::from_secs_f64(arguments.seconds),
        pinned: !arguments.unpinned,
    }
}

fn backlog_plan(arguments: &Arguments, backlog: &Backlog) -> BacklogPlan {
    BacklogPlan {
        workload: backlog.workload,
        messages: backlog.messages,
        size: usize::try_from(backlog.size).unwrap_or(usize::MAX),
        rounds: arguments.rounds,
        pinned: !arguments.unpinned,
    }
}
