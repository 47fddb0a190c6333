//! Plans the benchmark of the operator for tests: some Agents, and what the operator writes for
//! them.

use std::time::Duration;

use devtools::opbench::bench_cluster::RelayAccess;
use devtools::opbench::objects::Revocation;
use devtools::opbench::operator::Address;
use devtools::opbench::roll::ROTATIONS_AT_ONCE;
use devtools::opbench::{Bench, BenchPlan};
use msg2agent_tests::installed_operator::{OPERATOR, OPERATOR_NAMESPACE, client, leader};

pub(crate) const AGENTS: u32 = 50;
pub(crate) const TENANTS: u32 = 5;
/// Longest wait for the Agents; other tests run on the same machine.
const READY_TIMEOUT: Duration = Duration::from_secs(120);
/// Long enough for everything that repeats every few seconds.
const IDLE_INTERVAL: Duration = Duration::from_secs(30);

/// Runs `work` in a namespace of its own, which is removed at the end.
///
/// # Errors
/// That of the work, or of the cluster.
pub(crate) async fn counted(work: impl AsyncFnOnce(&Bench) -> anyhow::Result<()>) -> anyhow::Result<()> {
    let client = client().await?;
    leader(&client).await?;
    let bench = Bench::new(client, RelayAccess::PortForward, plan());
    bench.cluster.create_namespace().await?;
    let outcome = work(&bench).await;
    let removed = bench.cluster.remove_namespace().await;
    outcome.and(removed)
}

fn plan() -> BenchPlan {
    BenchPlan {
        namespace: format!("writes-{}", uuid::Uuid::new_v4().simple()),
        agents: AGENTS,
        tenants: TENANTS,
        relays: 2,
        rotations_at_once: ROTATIONS_AT_ONCE,
        limit: READY_TIMEOUT,
        idle: IDLE_INTERVAL,
        trickle: 0,
        revocations: 0,
        revocation: Revocation::Delete,
        operator: Address {
            namespace: OPERATOR_NAMESPACE.to_owned(),
            labels: "app.kubernetes.io/component=operator".to_owned(),
            lease: OPERATOR.to_owned(),
        },
        scenarios: vec![],
    }
}
