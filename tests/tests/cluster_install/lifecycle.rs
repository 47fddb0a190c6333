//! Runs the lifecycle of an installation: install, upgrade, uninstall, install again.

use anyhow::{Context as _, ensure};
use devtools::cluster::Cluster;
use kube::Client;
use msg2agent_tests::test_cluster;
use tokio::task::spawn_blocking;

use crate::helm::Helm;
use crate::{objects, rights, target};

#[tokio::test(flavor = "multi_thread")]
async fn an_installation_is_upgraded_removed_and_brought_back_without_touching_its_relay() {
    let Some(cluster) = spawn_blocking(target::start).await.unwrap().unwrap() else {
        eprintln!("skipped: the cluster is your own");
        return;
    };
    let client = cluster.client().await.unwrap();
    objects::make_namespaces(&client).await.unwrap();
    for name in ["helm", "helm3"] {
        let helm = Helm::new(name, &cluster).unwrap();
        live(&helm, &client).await.with_context(|| format!("with {name}")).unwrap();
    }
    spawn_blocking(move || end(cluster)).await.unwrap().unwrap();
}

async fn live(helm: &Helm, client: &Client) -> anyhow::Result<()> {
    installed(helm, client).await?;
    let pod = objects::ready_relay(client).await?;
    upgraded(helm, client).await?;
    ensure!(objects::ready_relay(client).await? == pod, "the upgrade of the operator restarted the relay");
    removed(helm, client).await?;
    ensure!(objects::relay_pod(client).await? == pod, "the end of the operator restarted the relay");
    helm.install_definitions()?;
    helm.install_operator(&[])?;
    ensure!(objects::ready_relay(client).await? == pod, "the operator came back and restarted the relay");
    objects::delete_relay(client).await?;
    helm.uninstall_operator()?;
    helm.uninstall_definitions()?;
    Ok(())
}

async fn installed(helm: &Helm, client: &Client) -> anyhow::Result<()> {
    helm.install_definitions()?;
    ensure!(objects::definitions(client).await? == 3, "Relay, Tenant, Agent");
    let notes = helm.install_operator(&[])?;
    ensure!(notes.contains("kubectl apply -f examples/quickstart.yaml"), "{notes}");
    objects::one_replica_leads(client).await?;
    let tested = helm.test_operator()?;
    ensure!(tested.contains("TEST SUITE:     msg2agent-check") && tested.contains("Succeeded"), "{tested}");
    rights::are_those_of_the_table(client).await?;
    let metrics = objects::metrics(client).await?;
    ensure!(metrics.contains("msg2agent_"), "{metrics}");
    objects::apply_relay(client).await
}

/// A wrong value changes nothing; a right one rolls both replicas.
async fn upgraded(helm: &Helm, client: &Client) -> anyhow::Result<()> {
    let refused = helm.install_operator(&["--set", "log.format=xml"]).err().context("xml was accepted")?;
    ensure!(format!("{refused:#}").contains("format"), "{refused:#}");
    helm.install_operator(&["--set", "log.filter=debug"])?;
    objects::one_replica_leads(client).await
}

/// Definitions and the Relay stay.
async fn removed(helm: &Helm, client: &Client) -> anyhow::Result<()> {
    helm.uninstall_operator()?;
    objects::operator_is_gone(client).await?;
    objects::relay_has_no_finalizer(client).await?;
    helm.uninstall_definitions()?;
    ensure!(
        objects::definitions(client).await? == 3,
        "uninstalling took the definitions, and every object with them"
    );
    Ok(())
}

fn end(cluster: Cluster) -> anyhow::Result<()> {
    drop(cluster);
    test_cluster::down(target::NAME)
}
