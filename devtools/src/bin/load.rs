//! Prints how many messages per second of server CPU the relay handles, beside a TCP forwarder and
//! nats-server, and what agents notice beside an attacker.

use std::ops::RangeInclusive;
use std::time::Duration;

use anyhow::ensure;
use clap::{Args, Parser, Subcommand, ValueEnum};
use msg2agent_devtools::load::noisy_neighbour::report::P99_RATIO_MAX;
use msg2agent_devtools::load::noisy_neighbour::scenario::{AttackScenario, AttackedResource, AttackerScope};
use msg2agent_devtools::load::noisy_neighbour::{self, NoisyNeighbourPlan};
use msg2agent_devtools::load::plan::{
    LoadPlan, LoadSubject, MAX_ROUND_TIMEOUT_SECONDS, ROUNDS_MAX, Workload,
};
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
    /// Measure what a pair of agents notices while an attacker tries to take everything.
    NoisyNeighbour(NoisyNeighbour),
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
        _ => {
            load::nats::build()?;
            let report = load::run(&plan(arguments)).await?;
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

fn plan(arguments: Arguments) -> LoadPlan {
    LoadPlan {
        subjects: or_all(&arguments.subject),
        workloads: arguments.workload,
        rounds: arguments.rounds,
        warm_up: Duration::from_secs_f64(arguments.warm_up),
        measured: Duration::from_secs_f64(arguments.seconds),
        size: usize::try_from(arguments.size).unwrap_or(usize::MAX),
        pinned: !arguments.unpinned,
    }
}
