//! Finds the replicas of the operator, the one that leads, and their metrics.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use devtools::eventually::eventually;
use devtools::pod_process::PodProcess;
use k8s_openapi::api::core::v1::{Namespace, Pod};
use kube::api::ListParams;
use kube::{Api, Client, ResourceExt as _};
use msg2agent_tests::installed_operator::{OPERATOR_NAMESPACE, client, leader};
use tokio::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};

const REPLICAS: usize = 2;
/// The kubelet waits longer with each restart of the same container.
const SETTLE_TIMEOUT: Duration = Duration::from_secs(120);
/// The lease's duration (15 s), a look at its end (2.4 s) and one before it (2.4 s), and a slow
/// machine.
const TAKEOVER_TIMEOUT: Duration = Duration::from_secs(25);

/// A test that takes an operator away, or counts what one writes, runs alone.
static OPERATORS: RwLock<()> = RwLock::const_new(());

/// While it is held, the operators are left as they are.
pub(crate) async fn undisturbed() -> RwLockReadGuard<'static, ()> {
    OPERATORS.read().await
}

/// The right to disturb the operators, all of them ready, while no other test has work for them.
pub(crate) async fn alone() -> anyhow::Result<RwLockWriteGuard<'static, ()>> {
    let alone = OPERATORS.write().await;
    let client = client().await?;
    eventually("both replicas of the operator are ready and at rest", SETTLE_TIMEOUT, async || {
        let ready = pods(&client).await?.iter().filter(|pod| is_ready(pod)).count();
        ensure!(ready == REPLICAS, "{ready} are");
        let namespaces = Api::<Namespace>::all(client.clone()).list(&ListParams::default()).await?;
        let ending = namespaces.iter().filter(|namespace| namespace.metadata.deletion_timestamp.is_some());
        ensure!(ending.count() == 0, "they still tear down what other tests left");
        Ok(())
    })
    .await?;
    Ok(alone)
}

/// The processes of all replicas.
pub(crate) async fn processes(client: &Client) -> anyhow::Result<Vec<PodProcess>> {
    let mut processes = Vec::new();
    for pod in pods(client).await? {
        processes.push(PodProcess::of(client, OPERATOR_NAMESPACE, &pod.name_any()).await?);
    }
    Ok(processes)
}

/// The process that leads, and the other one.
pub(crate) async fn leader_and_other(client: &Client) -> anyhow::Result<(PodProcess, PodProcess)> {
    let holder = leader(client).await?;
    let (leading, others): (Vec<_>, Vec<_>) =
        processes(client).await?.into_iter().partition(|process| holder.starts_with(&process.pod));
    let pair = leading.into_iter().next().zip(others.into_iter().next());
    pair.with_context(|| format!("{holder} and one other"))
}

/// Waits until somebody else than `before` holds the lease, at most the time that a takeover may
/// take.
pub(crate) async fn successor(client: &Client, before: &str) -> anyhow::Result<String> {
    eventually("another replica leads", TAKEOVER_TIMEOUT, async || {
        let now = leader(client).await?;
        ensure!(now != before, "{before} still holds the lease");
        Ok(now)
    })
    .await
}

/// One value of a replica's metrics.
pub(crate) async fn metric(client: &Client, pod: &str, name: &str) -> anyhow::Result<f64> {
    let path = format!("/api/v1/namespaces/{OPERATOR_NAMESPACE}/pods/{pod}:8081/proxy/metrics");
    let text = client.request_text(http::Request::get(path).body(Vec::new())?).await?;
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.with_context(|| format!("{pod} has no {name}"))?.parse().context("read the value")
}

async fn pods(client: &Client) -> anyhow::Result<Vec<Pod>> {
    let selector = ListParams::default().labels("app.kubernetes.io/component=operator");
    Ok(Api::<Pod>::namespaced(client.clone(), OPERATOR_NAMESPACE).list(&selector).await?.items)
}

fn is_ready(pod: &Pod) -> bool {
    let conditions = pod.status.iter().flat_map(|status| status.conditions.iter().flatten());
    conditions.into_iter().any(|condition| condition.type_ == "Ready" && condition.status == "True")
}
