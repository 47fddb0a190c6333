//! Finds the replicas of the operator, the one that leads and their metrics, and takes all of them
//! away for a while.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use devtools::eventually::eventually;
use devtools::pod_process::PodProcess;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Namespace, Pod};
use kube::api::{ListParams, Patch, PatchParams};
use kube::{Api, Client, ResourceExt as _};

use tokio::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};

use crate::installed_operator::{OPERATOR, OPERATOR_NAMESPACE, client, leader};

const REPLICAS: usize = 2;
/// The kubelet waits longer with each restart of the same container.
const SETTLE_TIMEOUT: Duration = Duration::from_secs(120);
/// The lease's duration (15 s), a look at its end (2.4 s) and one before it (2.4 s), and a slow
/// machine.
const TAKEOVER_TIMEOUT: Duration = Duration::from_secs(25);

/// A test that takes an operator away, or counts what one writes, runs alone.
static OPERATORS: RwLock<()> = RwLock::const_new(());

/// While it is held, the operators are left as they are.
pub async fn undisturbed() -> RwLockReadGuard<'static, ()> {
    OPERATORS.read().await
}

/// The right to disturb the operators, all of them ready, while no other test has work for them.
pub async fn alone() -> anyhow::Result<RwLockWriteGuard<'static, ()>> {
    let alone = OPERATORS.write().await;
    let client = client().await?;
    rolled_out(&client).await?;
    eventually("the operators are at rest", SETTLE_TIMEOUT, async || {
        let namespaces = Api::<Namespace>::all(client.clone()).list(&ListParams::default()).await?;
        let ending = namespaces.iter().filter(|namespace| namespace.metadata.deletion_timestamp.is_some());
        ensure!(ending.count() == 0, "they still tear down what other tests left");
        Ok(())
    })
    .await?;
    Ok(alone)
}

/// Waits until both replicas have the Deployment's current settings and one of them leads. A test
/// that changed the settings waits, or workloads of the next test restart once more.
pub async fn rolled_out(client: &Client) -> anyhow::Result<()> {
    let deployments = Api::<Deployment>::namespaced(client.clone(), OPERATOR_NAMESPACE);
    eventually("both replicas of the operator are current and one leads", SETTLE_TIMEOUT, async || {
        let found = deployments.get(OPERATOR).await?;
        let status = found.status.unwrap_or_default();
        let is_seen = status.observed_generation == found.metadata.generation;
        let updated = status.updated_replicas.and_then(|count| usize::try_from(count).ok());
        ensure!(is_seen && updated == Some(REPLICAS), "{status:?}");
        let pods = pods(client).await?;
        let ready = pods.iter().filter(|pod| is_ready(pod)).count();
        ensure!((ready, pods.len()) == (REPLICAS, REPLICAS), "{ready} of {} are ready", pods.len());
        let holder = leader(client).await?;
        let is_held = pods.iter().any(|pod| holder.starts_with(&pod.name_any()));
        ensure!(is_held, "{holder} held the lease and has ended");
        Ok(())
    })
    .await
}

/// The processes of all replicas.
pub async fn processes(client: &Client) -> anyhow::Result<Vec<PodProcess>> {
    let mut processes = Vec::new();
    for pod in pods(client).await? {
        processes.push(PodProcess::of(client, OPERATOR_NAMESPACE, &pod.name_any()).await?);
    }
    Ok(processes)
}

/// The process that leads, and the other one.
pub async fn leader_and_other(client: &Client) -> anyhow::Result<(PodProcess, PodProcess)> {
    let holder = leader(client).await?;
    let (leading, others): (Vec<_>, Vec<_>) =
        processes(client).await?.into_iter().partition(|process| holder.starts_with(&process.pod));
    let pair = leading.into_iter().next().zip(others.into_iter().next());
    pair.with_context(|| format!("{holder} and one other"))
}

/// Waits until somebody else than `before` holds the lease, at most the time that a takeover may
/// take.
pub async fn successor(client: &Client, before: &str) -> anyhow::Result<String> {
    eventually("another replica leads", TAKEOVER_TIMEOUT, async || {
        let now = leader(client).await?;
        ensure!(now != before, "{before} still holds the lease");
        Ok(now)
    })
    .await
}

/// Runs `work` while no operator runs, and returns when one leads again.
///
/// # Errors
/// That of the work, or operators that do not end or start.
pub async fn without_operators<T>(
    client: &Client,
    work: impl AsyncFnOnce() -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    scale(client, 0).await?;
    let outcome = work().await;
    scale(client, REPLICAS).await?;
    eventually("an operator leads", SETTLE_TIMEOUT, async || {
        for pod in pods(client).await? {
            if metric(client, &pod.name_any(), "msg2agent_operator_leader").await? == 1.0 {
                return Ok(());
            }
        }
        anyhow::bail!("no replica says that it leads")
    })
    .await?;
    outcome
}

async fn scale(client: &Client, replicas: usize) -> anyhow::Result<()> {
    let deployments = Api::<Deployment>::namespaced(client.clone(), OPERATOR_NAMESPACE);
    let change = Patch::Merge(serde_json::json!({"spec": {"replicas": replicas}}));
    deployments
        .patch_scale(OPERATOR, &PatchParams::default(), &change)
        .await
        .context("scale the operator")?;
    eventually("the operators have ended or started", SETTLE_TIMEOUT, async || {
        let found = pods(client).await?.len();
        ensure!(found == replicas, "{found} pods, {replicas} wanted");
        Ok(())
    })
    .await
}

/// One value of a replica's metrics.
pub async fn metric(client: &Client, pod: &str, name: &str) -> anyhow::Result<f64> {
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
