//! Simulation of the operator: the real watches, caches, queue, workers and election against models
//! of an API server and of relays, in one process, on a virtual clock, with seeded faults.
//!
//! A failing run prints its seed. `MSG2AGENT_SIM_SEED=<seed>` repeats it alone and prints what
//! happened, `MSG2AGENT_SIM_SEEDS=<count>` runs another number of seeds, and
//! `MSG2AGENT_SIM_FIRST=<seed>` begins with another one. Most seeds repeat themselves exactly. Keys
//! and the order of hash maps do not come from the seed, so that a rare violation may need several
//! attempts.

pub(crate) mod api_server;
mod checks;
mod cluster_controllers;
mod expected_state;
mod flaw;
pub(crate) mod model_clock;
pub(crate) mod model_process;
pub(crate) mod model_relay;
pub(crate) mod network;
mod simulation;

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use checks::Violation;
use flaw::Flaw;
use simulation::Simulation;

/// Seeds of an ordinary run.
const SEEDS: u64 = 2_000;
/// Seeds that found a fault once. They run before the others.
const REGRESSIONS: [u64; 7] = [1_104, 1_257, 1_524, 101_584, 151_608, 152_439, 302_135];

struct Run {
    seed: u64,
    violations: Vec<Violation>,
    events: Vec<String>,
}

fn run(seed: u64, flaw: Option<Flaw>) -> Run {
    let finish = |simulation: Simulation| {
        let Simulation { violations, events, .. } = simulation;
        Run { seed, violations, events }
    };
    simulate(seed, flaw, finish)
}

/// A runtime with a virtual clock.
fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap()
}

/// Runs a seed. `finish` makes the result.
fn simulate<T>(seed: u64, flaw: Option<Flaw>, finish: impl FnOnce(Simulation) -> T) -> T {
    runtime().block_on(async {
        let mut simulation = Simulation::new(seed, flaw);
        simulation.run().await;
        finish(simulation)
    })
}

/// Runs the seeds on all cores, each in a thread of its own: what a thread keeps would tell one run
/// what ran before it. Returns the runs with violations.
fn run_all(seeds: &[u64]) -> Vec<Run> {
    let (next, failed) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(&seed) = seeds.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let run = std::thread::scope(|scope| scope.spawn(|| run(seed, None)).join().unwrap());
                    if !run.violations.is_empty() {
                        failed.lock().unwrap().push(run);
                    }
                }
            });
        }
    });
    failed.into_inner().unwrap()
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

#[test]
fn invariants_hold_in_every_seed() {
    let chosen = number("MSG2AGENT_SIM_SEED");
    let count = number("MSG2AGENT_SIM_SEEDS").unwrap_or(SEEDS);
    let first = number("MSG2AGENT_SIM_FIRST").unwrap_or(0);
    let seeds: Vec<u64> = match chosen {
        Some(seed) => vec![seed],
        None => REGRESSIONS.into_iter().chain(first..first + count).collect(),
    };
    let failed = run_all(&seeds);
    for run in &failed {
        if chosen.is_some() {
            println!("{}", run.events.join("\n"));
        }
        for violation in &run.violations {
            println!("MSG2AGENT_SIM_SEED={}: {violation}", run.seed);
        }
    }
    assert!(failed.is_empty(), "{} of {} seeds failed", failed.len(), seeds.len());
}

#[test]
fn a_pass_over_agents_that_are_settled_reads_none_of_their_secrets() {
    let reads = runtime().block_on(async { Simulation::new(7, None).secret_reads_at_rest().await });
    assert_eq!(reads, [0, 4], "of two Agents with two Secrets each, before and after these are forgotten");
}

#[test]
fn no_secret_is_read_for_a_new_agent_because_the_watch_says_that_there_is_none() {
    let reads = runtime().block_on(async { Simulation::new(7, None).secret_reads_of_a_new_agent().await });
    assert_eq!(reads, 0);
}

/// Two agents were deleted meanwhile, and the keys of a third one came back with a volume.
#[test]
fn what_was_deleted_while_no_operator_ran_for_a_day_is_refused_five_seconds_after_its_return() {
    for seed in 0..8 {
        let after = Duration::from_secs(5);
        let absence = async { Simulation::new(seed, None).admitted_around_an_absence(after).await };
        let [before, left] = runtime().block_on(absence);
        assert_eq!(before.len(), 3, "seed {seed}, nothing would be shown: {before:?}");
        assert_eq!(left, Vec::<String>::new(), "seed {seed}");
    }
}

#[test]
fn an_agent_whose_tenant_was_moved_away_loses_its_keys_within_five_seconds() {
    for seed in 0..4 {
        let handover =
            async { Simulation::new(seed, None).entry_around_a_handover(Duration::from_secs(5)).await };
        let [before, after] = runtime().block_on(handover);
        assert_eq!(before, (false, 1), "seed {seed}");
        assert_eq!(after, (true, 0), "seed {seed}");
    }
}

/// Seeds within which every flaw has to be found.
const FLAW_SEEDS: u64 = 300;

#[test]
fn every_planted_flaw_is_found() {
    let missed: Vec<String> = std::thread::scope(|scope| {
        let searches: Vec<_> = Flaw::ALL.into_iter().map(|flaw| scope.spawn(move || search(flaw))).collect();
        searches.into_iter().filter_map(|search| search.join().unwrap().err()).collect()
    });
    assert!(missed.is_empty(), "{missed:#?}");
}

/// Returns the first seed that finds the flaw.
fn search(flaw: Flaw) -> Result<u64, String> {
    let is_found = |seed: &u64| {
        let violations = run(*seed, Some(flaw)).violations;
        violations.iter().any(|violation| violation.invariant == flaw.breaks())
    };
    let found = (0..FLAW_SEEDS).find(is_found).ok_or_else(|| format!("{flaw:?} was not found"))?;
    if let Some(violation) = run(found, None).violations.first() {
        return Err(format!("seed {found} fails without {flaw:?}: {violation}"));
    }
    println!("{flaw:?} is found by seed {found}: not true: {}", flaw.breaks());
    Ok(found)
}
