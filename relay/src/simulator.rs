//! Deterministic simulation of the message core: a virtual clock, clients on connections that
//! break, a disk that is slow, fails and loses uncommitted writes under the real commit scheduler,
//! and a relay that crashes. One seed gives one run with its own limits and faults. The rules of
//! the core are checked after each step, and the invariants at the end.
//!
//! A run begins at another seed each day. A failing run prints its seed;
//! `MSG2AGENT_SIM_SEED=<seed>` repeats that run alone, and `MSG2AGENT_SIM_SEEDS=<count>` runs more.

mod checks;
mod coverage;
mod history;
mod model_client;
mod model_connection;
mod model_directory;
mod model_store;
mod mutation;
mod simulation;

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use checks::Violation;
use mutation::Mutation;
use simulation::Simulation;

const SEEDS: u64 = 20_000;
/// Seeds within which every mutation has to be found.
const MUTATION_SEEDS: u64 = 400;
/// Seeds whose runs violated an invariant once.
const REGRESSIONS: [u64; 12] = [
    209,
    249,
    1_102,
    1_147,
    895_135,
    300_003_801,
    300_004_650,
    300_017_674,
    20_783_000_004,
    20_783_000_060,
    20_783_004_655,
    20_783_006_964,
];

fn run(seed: u64, mutation: Option<Mutation>) -> Vec<Violation> {
    let mut simulation = Simulation::new(seed, mutation);
    simulation.run_with_faults();
    simulation.run_until_quiet();
    checks::check(&simulation)
}

fn assert_holds(seed: u64) {
    let violations = run(seed, None);
    let shown: Vec<_> = violations.iter().take(5).map(ToString::to_string).collect();
    let shown = shown.join("\n");
    assert!(violations.is_empty(), "MSG2AGENT_SIM_SEED={seed}: {} in all: {shown}", violations.len());
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

/// Ends the other threads of a test when one has failed.
struct EndOnPanic<'a> {
    next: &'a AtomicU64,
    end: u64,
}

impl Drop for EndOnPanic<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.next.store(self.end, Ordering::Relaxed);
        }
    }
}

/// The first seed: another one each day, or the one that was given.
fn base() -> u64 {
    let days = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() / 86_400);
    number("MSG2AGENT_SIM_BASE").unwrap_or(days * 1_000_000)
}

#[test]
fn invariants_hold_in_every_seed() {
    if let Some(seed) = number("MSG2AGENT_SIM_SEED") {
        return assert_holds(seed);
    }
    let (base, count) = (base(), number("MSG2AGENT_SIM_SEEDS").unwrap_or(SEEDS));
    println!("MSG2AGENT_SIM_BASE={base} MSG2AGENT_SIM_SEEDS={count}");
    let next = AtomicU64::new(base);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let _end = EndOnPanic { next: &next, end: base + count };
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= base + count {
                        return;
                    }
                    assert_holds(seed);
                }
            });
        }
    });
}

#[test]
fn invariants_hold_in_seeds_that_violated_them_once() {
    REGRESSIONS.into_iter().for_each(assert_holds);
}

#[test]
fn the_same_seed_is_the_same_run() {
    let mut one = Simulation::new(7, None);
    let mut two = Simulation::new(7, None);
    one.run_with_faults();
    two.run_with_faults();
    assert_eq!(format!("{:?}", one.history), format!("{:?}", two.history));
}

/// The invariants mean something only if the runs contain the events that could break them.
#[test]
fn the_runs_contain_every_kind_of_event() {
    let mut total = coverage::Coverage::default();
    for seed in 0..100 {
        let mut simulation = Simulation::new(seed, None);
        simulation.run_with_faults();
        simulation.run_until_quiet();
        total.add(&simulation.history.coverage);
    }
    assert_eq!(total.missing(), [""; 0], "{total:?}");
}

#[test]
fn every_mutation_is_found() {
    for mutation in Mutation::ALL {
        let found = (0..MUTATION_SEEDS).flat_map(|seed| run(seed, Some(mutation))).map(|v| v.invariant);
        let expected = mutation.breaks();
        assert!(found.into_iter().any(|name| name == expected), "{mutation:?} was not found as {expected}");
    }
}
