//! A property test: the record of a relay never claims what the relay does not hold.

use std::time::Duration;

use protocol::admin::{Owner, TenantSpec};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use super::model_relay::{Entry, Fault, Store};
use super::{ACME, ALICE, BOB, Bench, agent, kubernetes, tenant};
use crate::observed::Observed;
use crate::relay_api::Writer;
use crate::relay_replicas::content;

/// What the record claims about a path, as the relay must hold it.
fn assert_record_is_true(bench: &Bench, paths: &[&str], seed: u64, step: usize) {
    let store = bench.model.store.lock().unwrap().clone();
    for path in paths {
        let held = bench.replicas.shared.state(&bench.relay, |state| state.replicas.held(path));
        let Some(Observed::Known(held)) = held else { continue };
        let found = store.entries.get(*path);
        let digest = |entry: &Entry| {
            let words = bench.model.capabilities.iter().map(|word| (*word).to_owned()).collect();
            content::RelayContent::new(path, &entry.body, &words).digest
        };
        let claimed = held.as_ref().map(|held| (held.owner.clone(), held.digest));
        let actual = found.map(|entry| (Some(entry.owner.clone()), Some(digest(entry))));
        assert_eq!(claimed, actual, "seed {seed}, step {step}, {path}");
    }
}

/// Any sequence of writes and removals with lost answers, restarts, restored volumes, other writers
/// and changes of leadership: after a contact, the record claims nothing that the relay does not
/// hold.
#[tokio::test(start_paused = true)]
async fn the_record_never_claims_what_the_relay_does_not_hold() {
    const PATHS: [&str; 4] = [ACME, ALICE, BOB, "/admin/v1/tenants/other"];
    for seed in 0..400 {
        let mut rng = StdRng::seed_from_u64(seed);
        let bench = Bench::ready().await;
        let (mut pod, mut snapshot) = (1, bench.model.store.lock().unwrap().clone());
        for step in 0..40 {
            act(&bench, &mut rng, &PATHS, &mut pod, &mut snapshot).await;
            assert_record_is_true(&bench, &PATHS, seed, step);
        }
    }
}

/// One step, ending with what the operator does when it notices.
async fn act(bench: &Bench, rng: &mut StdRng, paths: &[&str], pod: &mut u8, snapshot: &mut Store) {
    const FAULTS: [Fault; 6] =
        [Fault::None, Fault::None, Fault::LostBefore, Fault::LostAfter, Fault::Refused, Fault::Hangs];
    let path = paths[rng.random_range(0..paths.len())];
    let uid = ["one", "two"][rng.random_range(0..2)];
    match rng.random_range(0..12) {
        0..6 => {
            *bench.model.fault.lock().unwrap() = FAULTS[rng.random_range(0..FAULTS.len())];
            let limit = Duration::from_secs(rng.random_range(1..9));
            let suspended = rng.random_bool(0.5);
            let former = rng.random_bool(0.5).then(|| kubernetes("one"));
            let writer = Writer { former_owner: former, ..bench.replicas.writer(uid) };
            let body = if path.contains("/agents/") {
                serde_json::to_value(agent(suspended)).unwrap()
            } else {
                serde_json::to_value(TenantSpec { suspended, ..tenant("a") }).unwrap()
            };
            let write = bench.replicas.write(&bench.relay, path, &writer, &body);
            let _ = tokio::time::timeout(limit, write).await;
            *bench.model.fault.lock().unwrap() = Fault::None;
        }
        6..8 => {
            *bench.model.fault.lock().unwrap() = FAULTS[rng.random_range(0..FAULTS.len())];
            let writer = bench.replicas.writer(uid);
            let deletion = bench.replicas.delete(&bench.relay, path, &writer, None);
            let _ = tokio::time::timeout(Duration::from_secs(5), deletion).await;
            *bench.model.fault.lock().unwrap() = Fault::None;
        }
        8 => *snapshot = bench.model.store.lock().unwrap().clone(),
        9 => {
            // A restored or another volume, in a pod that has another address.
            *bench.model.store.lock().unwrap() = snapshot.clone();
            if rng.random_bool(0.3) {
                bench.model.store.lock().unwrap().instance.push('b');
            }
            *pod = pod.wrapping_add(1);
            bench.contact(*pod).await;
            bench.list().await;
        }
        10 => {
            // Somebody else writes, and the listing is due.
            let entry = Entry { owner: Owner::CommandLine, body: serde_json::json!({"suspended": true}) };
            bench.model.store.lock().unwrap().insert_by_hand(path, entry);
            bench.replicas.list_again(&bench.relay);
            bench.list().await;
        }
        _ => {
            bench.replicas.clear();
            bench.reach();
            bench.contact(*pod).await;
            bench.list().await;
        }
    }
    if rng.random_bool(0.3) {
        bench.contact(*pod).await;
        bench.list().await;
    }
}
