//! Tests the isolation of tenants as a property: whatever agents of two tenants try, none sees
//! anything of the other, and the refusal for an agent of the other tenant is, byte for byte, the
//! one for an agent that does not exist.
//!
//! One relay process for all cases, bare connections, random actions against the model in
//! [`visibility_model`]. A failure prints the seed; `PROPTEST_RNG_SEED=<seed>` replays it.

use std::cell::{Cell, RefCell};

use devtools::relay_process::RelayProcess;
use proptest::prelude::*;
use proptest::test_runner::{RngSeed, TestRunner};

mod action;
mod tenant_case;
mod visibility_model;

use action::{Action, action};
use tenant_case::{Coverage, TenantCase};
use visibility_model::Side;

const CASES: u32 = 64;
/// Keeps a connection below what it may ask at once: 100 queries, at most two an action.
const ACTIONS_MAX: usize = 32;
/// Steps towards a smaller failing sequence; each plays one.
const SHRINK_ITERATIONS_MAX: u32 = 128;

#[test]
fn nothing_of_another_tenant_is_ever_visible() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let _inside = runtime.enter();
    devtools::install_tls_provider();
    let relay = runtime.block_on(RelayProcess::start()).unwrap();
    let (seed, config) = config();
    println!("PROPTEST_RNG_SEED={seed}");

    let (case, total) = (Cell::new(0), RefCell::new(Coverage::default()));
    let played = TestRunner::new(config).run(&prop::collection::vec(action(), 1..ACTIONS_MAX), |actions| {
        case.set(case.get() + 1);
        let coverage = runtime.block_on(play(&relay, case.get(), &actions));
        total.borrow_mut().add(&coverage);
        Ok(())
    });
    if let Err(failure) = played {
        panic!("replay with PROPTEST_RNG_SEED={seed}: {failure}");
    }
    let total = total.into_inner();
    println!("{CASES} cases: {total:?}");
    assert!(total.is_telling(), "too little happened to tell anything: {total:?}");
}

/// The seed of the environment, or a new one; either way a known one.
fn config() -> (u64, ProptestConfig) {
    let (max_shrink_iters, failure_persistence) = (SHRINK_ITERATIONS_MAX, None);
    let defaults = ProptestConfig::default();
    let seed = match defaults.rng_seed {
        RngSeed::Fixed(seed) => seed,
        RngSeed::Random => rand::random(),
    };
    let rng_seed = RngSeed::Fixed(seed);
    (seed, ProptestConfig { cases: CASES, max_shrink_iters, failure_persistence, rng_seed, ..defaults })
}

async fn play(relay: &RelayProcess, case: u32, actions: &[(Action, Side)]) -> Coverage {
    let mut tenants = TenantCase::new(relay, case).await;
    for (action, twin) in actions {
        tenants.act(action, *twin).await;
    }
    tenants.end().await
}
