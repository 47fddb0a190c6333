//! Counts what the operator writes: at most three writes for a new Agent, Events among them, and
//! none when nothing happens.

use devtools::opbench::{converge, idle};
use msg2agent_tests::operator_replicas;

use crate::write_plan::counted;

#[tokio::test]
async fn a_new_agent_costs_three_writes_with_its_events_and_idling_costs_none() {
    let _alone = operator_replicas::alone().await.unwrap();
    counted(async |bench| {
        let converged = converge::run(bench).await?;
        println!("{converged}");
        converged.check()?;
        idle::run(bench).await?.check()
    })
    .await
    .unwrap();
}
