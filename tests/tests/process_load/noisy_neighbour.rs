//! Tests of the attacker of `load noisy-neighbour`: each limit refuses it by name, and a pair of
//! agents loses nothing meanwhile. What the pair notices is not asserted.

use std::time::Duration;

use devtools::load::noisy_neighbour::answers::{Answers, CLOSED};
use devtools::load::noisy_neighbour::scenario::{AttackScenario, AttackedResource, AttackerScope};
use devtools::load::noisy_neighbour::{self, NoisyNeighbourPlan};
use devtools::load::round::RoundTimes;

/// One short round of each attack, which goes on until its limit is met. A message of the pair that
/// is refused, lost, repeated or out of order is an error.
async fn attacked<const N: usize>(attacks: [(AttackedResource, AttackerScope); N]) -> [Answers; N] {
    devtools::install_tls_provider();
    let scenarios = attacks.map(|(resource, scope)| AttackScenario { resource, scope });
    let times = RoundTimes { warm_up: Duration::from_millis(50), measured: Duration::from_millis(300) };
    let plan = NoisyNeighbourPlan { scenarios: scenarios.to_vec(), rounds: 1, times, pinned: false };
    let report = noisy_neighbour::run(&plan).await.unwrap();
    println!("{report}");
    scenarios.map(|scenario| {
        let (_, rounds) = report.rounds().find(|(found, _)| *found == scenario).unwrap();
        assert_eq!(rounds.len(), 1, "{report}");
        let round = rounds.first().unwrap();
        assert!(round.alone.total > 0 && round.attacked.total > 0, "{report}");
        assert!(scenario.is_limited(&round.answers), "{report}");
        round.answers.clone()
    })
}

/// Three quarters of the connections of the relay under attack.
const SHARE: u64 = 750;

#[tokio::test]
async fn connections_are_refused_by_the_share_of_a_key_a_tenant_and_an_address() {
    let scopes = [AttackerScope::Key, AttackerScope::Tenant, AttackerScope::Address];
    let [key, tenant, address] = attacked(scopes.map(|scope| (AttackedResource::Connections, scope))).await;
    assert!(key.refused_by("key_connections") > 0 && key.accepted() >= 8, "{key}");
    assert!(tenant.refused_by("tenant_connections") > 0 && tenant.accepted() >= SHARE, "{tenant}");
    assert!(address.refused_by("address_connections") > 0 && address.accepted() >= SHARE, "{address}");
}

#[tokio::test]
async fn half_a_request_is_closed_in_favour_of_the_next_one() {
    let [address] = attacked([(AttackedResource::Handshakes, AttackerScope::Address)]).await;
    assert!(address.refused_by(CLOSED) > 0 && address.accepted() > SHARE / 3, "{address}");
}

#[tokio::test]
async fn registrations_and_queries_are_refused_by_their_rates() {
    let attacks = [
        (AttackedResource::Registrations, AttackerScope::Key),
        (AttackedResource::Discovery, AttackerScope::Key),
        (AttackedResource::Lookups, AttackerScope::Key),
    ];
    let [registrations, discovery, lookups] = attacked(attacks).await;
    // At least the burst of one connection is answered.
    assert!(registrations.accepted() >= 40, "{registrations}");
    assert!(discovery.accepted() >= 90 && lookups.accepted() >= 90, "{discovery}; {lookups}");
}

#[tokio::test]
async fn messages_that_fill_disk_and_memory_are_refused_by_rates_and_quotas() {
    let attacks =
        [(AttackedResource::Disk, AttackerScope::Key), (AttackedResource::Memory, AttackerScope::Key)];
    let [disk, memory] = attacked(attacks).await;
    assert!(disk.accepted() >= 2_000, "the burst of one agent: {disk}");
    // 16 MiB of half a MiB each, and those that the recipient's window has.
    assert!((31..=40).contains(&memory.accepted()), "{memory}");
}
