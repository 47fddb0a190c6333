//! Tests a leader that is killed after its objects have changed once while the other replica
//! watched: the successor changes no Secret and no status.

use devtools::opbench::objects::{self, Kind};
use devtools::opbench::{Bench, converge, failover};
use kube::api::{Patch, PatchParams};
use msg2agent_tests::operator_replicas;
use serde_json::json;

use crate::write_plan::{AGENTS, TENANTS, counted};

#[tokio::test]
async fn the_successor_of_a_killed_leader_leaves_secrets_and_ready_of_50_agents_as_they_are() {
    let _alone = operator_replicas::alone().await.unwrap();
    counted(async |bench| {
        converge::run(bench).await?;
        change_everything_once(bench).await?;
        let taken = failover::run(bench).await?;
        println!("{taken}");
        taken.check()
    })
    .await
    .unwrap();
}

async fn change_everything_once(bench: &Bench) -> anyhow::Result<()> {
    let change = Patch::Merge(json!({"spec": {"displayName": "changed once"}}));
    for number in 0..AGENTS {
        let name = objects::agent_name(converge::GROUP, number);
        let agents = bench.cluster.objects(Kind::Agent);
        agents.patch(&name, &PatchParams::default(), &change).await?;
    }
    for number in 0..TENANTS {
        let tenants = bench.cluster.objects(Kind::Tenant);
        tenants.patch(&objects::tenant_name(number), &PatchParams::default(), &change).await?;
    }
    Ok(())
}
