//! Simulates the client's state machine with seeds: a relay that cuts, repeats, restarts and sends
//! deliveries of old sessions, a disk that is full or loses what was not synced, and an application
//! that drops, rejects, crashes and is slow.
//!
//! A failing seed is printed. Planted flaws, one for each rule of `docs/client-behaviour.md`, show
//! that the simulation finds what breaks the rule.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a simulation that meets an impossible state should fail on the spot"
)]

mod flaw;
mod random;
mod relay_model;
mod requests;
mod sdk_model;
mod simulated_run;

use flaw::Flaw;
use simulated_run::SimulatedRun;

/// Seeds of the state machine without flaws. They take a few seconds.
const SEEDS: u64 = 3_000;
/// Seeds within which a planted flaw must be found.
const FLAW_SEEDS: u64 = 300;

#[test]
fn every_message_is_processed_once_or_refused_and_its_sender_hears_which() {
    for seed in seeds(SEEDS) {
        if let Err(violation) = SimulatedRun::new(seed, None).run() {
            panic!("seed {seed}: {violation}");
        }
    }
}

#[test]
fn every_planted_flaw_is_found() {
    for flaw in Flaw::ALL {
        let found = (0..FLAW_SEEDS).find_map(|seed| SimulatedRun::new(seed, Some(flaw)).run().err());
        assert!(found.is_some(), "{flaw:?} was not found");
    }
}

#[test]
fn every_request_is_answered_once_and_repeated_in_order() {
    for seed in seeds(SEEDS) {
        requests::run(seed);
    }
}

/// The seeds to run: those from 0 on, or the one of the environment.
fn seeds(count: u64) -> Vec<u64> {
    match std::env::var("MSG2AGENT_SDK_SEED") {
        Ok(seed) => vec![seed.parse().unwrap()],
        Err(_) => (0..count).collect(),
    }
}
