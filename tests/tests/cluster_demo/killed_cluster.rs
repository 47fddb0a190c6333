//! Kills the processes of a cluster, as a reboot or an interrupted run does, and shows that the
//! next start replaces it.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use devtools::cluster::Cluster;
use devtools::cluster::record::Record;
use devtools::eventually::eventually;
use devtools::install_tls_provider;
use k8s_openapi::api::core::v1::Namespace;
use kube::{Api, api::ListParams};
use msg2agent_tests::test_cluster;

use crate::demo::CLUSTER;

/// The kernel ends the processes inside within a second.
const END_TIMEOUT: Duration = Duration::from_secs(30);

/// Kills the cluster of the demo and starts it again. Only a built-in one is ours to kill.
pub(crate) async fn is_replaced() -> anyhow::Result<()> {
    let cluster = Cluster::running(test_cluster::folder(CLUSTER)?)?;
    let Record::BuiltIn { first, .. } = *cluster.record() else { return Ok(()) };
    first.kill()?;
    eventually("the first process has ended", END_TIMEOUT, async || {
        ensure!(!first.is_alive(), "it still runs");
        Ok(())
    })
    .await?;
    ensure!(
        Cluster::running(test_cluster::folder(CLUSTER)?).is_err(),
        "its record counts as a running cluster"
    );
    let started = tokio::task::spawn_blocking(|| test_cluster::up(CLUSTER)).await??;
    let Record::BuiltIn { first: second, .. } = *started.record() else {
        anyhow::bail!("another kind of cluster")
    };
    ensure!(second != first && second.is_alive(), "the cluster was not started again");
    install_tls_provider();
    let namespaces = Api::<Namespace>::all(started.client().await?);
    let found = namespaces.list(&ListParams::default()).await.context("ask the new API server")?;
    ensure!(found.iter().all(|namespace| namespace.metadata.name.as_deref() != Some("msg2agent-demo")));
    Ok(())
}
