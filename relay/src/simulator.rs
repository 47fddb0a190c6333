//! Deterministic simulation of the message core: a virtual clock, clients on connections that
//! break, a store that is slow, fails and loses uncommitted writes, and a relay that crashes. One
//! seed gives one run, and the invariants are checked at its end.
//!
//! A failing run prints its seed; `MSG2AGENT_SIM_SEED=<seed>` repeats that run alone.

mod checks;
mod history;
mod model_client;
mod model_connection;
mod model_store;
mod mutation;
mod simulation;

use checks::Violation;
use mutation::Mutation;
use simulation::Simulation;

const SEEDS: u64 = 500;
/// Seeds within which every mutation has to be found.
const MUTATION_SEEDS: u64 = 200;

fn run(seed: u64, mutation: Option<Mutation>) -> Vec<Violation> {
    let mut simulation = Simulation::new(seed, mutation);
    simulation.run_with_faults();
    simulation.run_until_quiet();
    checks::check(&simulation)
}

#[test]
fn invariants_hold_in_every_seed() {
    let chosen: Option<u64> = std::env::var("MSG2AGENT_SIM_SEED").ok().and_then(|text| text.parse().ok());
    let seeds = chosen.map_or(0..SEEDS, |seed| seed..seed + 1);
    for seed in seeds {
        let violations = run(seed, None);
        let shown: Vec<_> = violations.iter().take(5).map(ToString::to_string).collect();
        assert!(violations.is_empty(), "MSG2AGENT_SIM_SEED={seed}: {} in all, {shown:#?}", violations.len());
    }
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
    let mut total = history::Coverage::default();
    for seed in 0..40 {
        let mut simulation = Simulation::new(seed, None);
        simulation.run_with_faults();
        simulation.run_until_quiet();
        total.add(&simulation.history.coverage);
    }
    assert!(total.is_complete(), "{total:?}");
}

#[test]
fn every_mutation_is_found() {
    for mutation in Mutation::ALL {
        let found = (0..MUTATION_SEEDS).flat_map(|seed| run(seed, Some(mutation))).map(|v| v.invariant);
        let expected = mutation.breaks();
        assert!(found.into_iter().any(|name| name == expected), "{mutation:?} was not found as {expected}");
    }
}
