//! Counts what the operator writes: at most three writes for a new Agent, none when nothing
//! happens, none when another replica takes over.

use std::time::Duration;

use devtools::opbench::bench_cluster::RelayAccess;
use devtools::opbench::objects::Revocation;
use devtools::opbench::operator::Address;
use devtools::opbench::{Bench, BenchPlan, converge, failover, idle};
use msg2agent_tests::installed_operator::{OPERATOR, OPERATOR_NAMESPACE, client, leader};

use crate::operators;

const AGENTS: u32 = 50;
/// Longest wait for the Agents; other tests run on the same machine.
const READY_TIMEOUT: Duration = Duration::from_secs(120);
/// Long enough for everything that repeats every few seconds.
const IDLE_INTERVAL: Duration = Duration::from_secs(30);

#[tokio::test]
async fn an_agent_costs_three_writes_with_its_events_and_idling_and_failover_cost_none() {
    let _alone = operators::alone().await.unwrap();
    let client = client().await.unwrap();
    leader(&client).await.unwrap();
    let bench = Bench::new(client, RelayAccess::PortForward, plan());
    bench.cluster.create_namespace().await.unwrap();
    let outcome = counted(&bench).await;
    bench.cluster.remove_namespace().await.unwrap();
    outcome.unwrap();
}

async fn counted(bench: &Bench) -> anyhow::Result<()> {
    let converged = converge::run(bench).await?;
    converged.check()?;
    idle::run(bench).await?.check()?;
    failover::run(bench).await?.check()
}

fn plan() -> BenchPlan {
    BenchPlan {
        namespace: format!("writes-{}", uuid::Uuid::new_v4().simple()),
        agents: AGENTS,
        tenants: 5,
        relays: 2,
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
