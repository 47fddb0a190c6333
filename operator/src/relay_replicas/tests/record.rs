//! A property test: the record of a relay never claims what the relay does not hold.

use std::time::Duration;

use protocol::admin::{Owner, TenantSpec};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use super::model_relay::Fault;
use super::{ACME, ALICE, BOB, Bench, agent, kubernetes, tenant};
use crate::observed::Observed;
use crate::relay_api::Writer;
use crate::relay_replicas::content;
use crate::simulator::model_relay::RelayVolume;

/// What the record claims about a path, as the relay must hold it.
fn assert_record_is_true(bench: &Bench, paths: &[&str], seed: u64, step: usize) {
    let volume = bench.model.volume().clone();
    let words = bench.model.capabilities.iter().map(|word| (*word).to_owned()).collect();
    for path in paths {
        let held = bench.replicas.shared.state(&bench.relay, |state| state.replicas.held(path));
        let Some(Observed::Known(held)) = held else { continue };
        let claimed = held.as_ref().map(|held| (held.owner.clone(), held.digest));
        let body = body_at(&volume, path);
        let actual = body.map(|body| {
            (volume.owner_at(path), Some(content::RelayContent::new(path, &body, &words).digest))
        });
        assert_eq!(claimed, actual, "seed {seed}, step {step}, {path}");
    }
}

/// The content of an entry as it would be written.
fn body_at(volume: &RelayVolume, path: &str) -> Option<serde_json::Value> {
    let rest = path.strip_prefix("/admin/v1/tenants/")?;
    let (tenant, agent) =
        rest.split_once("/agents/").map_or((rest, None), |(tenant, name)| (tenant, Some(name)));
    match agent {
        Some(name) => volume.agent(tenant, name).map(|agent| serde_json::to_value(&agent.spec).unwrap()),
        None => {
            let found = volume.tenants.get(&tenant.parse().unwrap());
            found.map(|tenant| serde_json::to_value(&tenant.spec).unwrap())
        }
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
        let (mut pod, mut snapshot) = (1, bench.model.volume().clone());
        for step in 0..40 {
            act(&bench, &mut rng, &PATHS, &mut pod, &mut snapshot).await;
            assert_record_is_true(&bench, &PATHS, seed, step);
        }
    }
}

/// One step, ending with what the operator does when it notices.
async fn act(bench: &Bench, rng: &mut StdRng, paths: &[&str], pod: &mut u8, snapshot: &mut RelayVolume) {
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
        8 => *snapshot = bench.model.volume().clone(),
        9 => {
            // A restored or another volume, in a pod that has another address.
            *bench.model.volume() = snapshot.clone();
            if rng.random_bool(0.3) {
                bench.model.volume().instance.push('b');
            }
            *pod = pod.wrapping_add(1);
            bench.contact(*pod).await;
            bench.list().await;
        }
        10 => {
            // Somebody else writes, and the listing is due.
            let body = serde_json::json!({"suspended": true});
            bench.model.write_by_hand(path, Owner::CommandLine, body);
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
