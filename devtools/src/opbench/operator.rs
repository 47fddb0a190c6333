//! Finds the replica that leads, and reads its memory, its CPU and the API server's count of
//! writes.

use anyhow::{Context as _, ensure};
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{Event, Pod};
use kube::api::ListParams;
use kube::{Api, ResourceExt as _};

use crate::pod_process::PodProcess;

use super::bench_cluster::BenchCluster;
use super::exposition;
use super::writes::Writes;

/// Port of the operator's metrics.
const METRICS_PORT: u16 = 8081;
/// The controller that its Events name.
const CONTROLLER: &str = "msg2agent.xyz/operator";

/// Where the operator runs.
#[derive(Debug, Clone)]
pub struct Address {
    pub namespace: String,
    /// Label selector of its pods.
    pub labels: String,
    /// Name of the Lease that its leader holds.
    pub lease: String,
}

/// One reading. The kubelet samples memory and CPU every 10 s or so; writes are of this moment.
#[derive(Debug, Clone)]
pub struct Reading {
    /// Working set of the leader's containers, bytes.
    pub memory_bytes: f64,
    /// Most resident memory of the leader's process, where it runs on this machine.
    pub peak_bytes: Option<u64>,
    pub cpu_seconds: f64,
    pub writes: Writes,
}

impl Reading {
    /// # Errors
    /// No leader, no metrics, or metrics that are missing.
    pub async fn take(cluster: &BenchCluster, operator: &Address) -> anyhow::Result<Self> {
        let pod = leader(cluster, operator).await?;
        let (name, node) = (pod.name_any(), pod.spec.and_then(|spec| spec.node_name).unwrap_or_default());
        let kubelet = cluster.page(&format!("/api/v1/nodes/{node}/proxy/metrics/resource")).await?;
        let of_pod = |metric| sum_of_pod(&kubelet, metric, &operator.namespace, &name);
        let process = PodProcess::of(&cluster.client, &operator.namespace, &name).await.ok();
        let everywhere = Api::<Event>::all(cluster.client.clone());
        Ok(Self {
            memory_bytes: of_pod("container_memory_working_set_bytes")?,
            peak_bytes: process.and_then(|process| process.peak_memory().ok()),
            cpu_seconds: of_pod("container_cpu_usage_seconds_total")?,
            writes: Writes::read(&cluster.page("/metrics").await?, published_events(&everywhere).await?)?,
        })
    }
}

/// The number of Events that the operator has published. The kubelet's and those of other
/// controllers are not among them.
///
/// # Errors
/// An error of the API server.
pub async fn published_events(events: &Api<Event>) -> anyhow::Result<u64> {
    let own = ListParams::default().fields(&format!("reportingComponent={CONTROLLER}"));
    let list = events.list_metadata(&own).await.context("list the operator's Events")?;
    Ok(list.items.len() as u64)
}

/// The holder of the Lease, as `<pod>_<id>`; empty when nobody holds it.
///
/// # Errors
/// There is no Lease.
pub async fn holder(cluster: &BenchCluster, operator: &Address) -> anyhow::Result<String> {
    let leases = Api::<Lease>::namespaced(cluster.client.clone(), &operator.namespace);
    let lease = leases.get(&operator.lease).await.context("read the operator's Lease")?;
    Ok(lease.spec.and_then(|spec| spec.holder_identity).unwrap_or_default())
}

/// The pod that leads.
///
/// # Errors
/// None does.
pub async fn leader(cluster: &BenchCluster, operator: &Address) -> anyhow::Result<Pod> {
    let holder = holder(cluster, operator).await?;
    let pods = cluster.running_pods(&operator.namespace, &operator.labels).await?;
    let leads = |pod: &Pod| holder.split('_').next() == Some(&pod.name_any());
    pods.into_iter().find(leads).with_context(|| format!("no running pod leads; {holder:?} does"))
}

/// One value of the leader's own metrics.
///
/// # Errors
/// No leader, or no such metric.
pub async fn metric(cluster: &BenchCluster, operator: &Address, name: &str) -> anyhow::Result<f64> {
    let pod = leader(cluster, operator).await?.name_any();
    let path = format!("/api/v1/namespaces/{}/pods/{pod}:{METRICS_PORT}/proxy/metrics", operator.namespace);
    let samples = exposition::samples(&cluster.page(&path).await?, name)?;
    ensure!(!samples.is_empty(), "{pod} has no metric {name}");
    Ok(samples.iter().map(|sample| sample.value).sum())
}

fn sum_of_pod(text: &str, metric: &str, namespace: &str, pod: &str) -> anyhow::Result<f64> {
    let samples = exposition::samples(text, metric)?;
    let own: Vec<_> = samples
        .iter()
        .filter(|sample| sample.label("namespace") == namespace && sample.label("pod") == pod)
        .map(|sample| sample.value)
        .collect();
    ensure!(!own.is_empty(), "the kubelet has no {metric} of pod {pod}");
    Ok(own.iter().sum())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "container_cpu_usage_seconds_total{container=\"a\",namespace=\"n\",pod=\"p\"} 1.5 17\n\
        container_cpu_usage_seconds_total{container=\"b\",namespace=\"n\",pod=\"p\"} 2 17\n\
        container_cpu_usage_seconds_total{container=\"a\",namespace=\"n\",pod=\"other\"} 8 17\n";

    #[test]
    fn the_containers_of_one_pod_are_summed() {
        let sum = sum_of_pod(PAGE, "container_cpu_usage_seconds_total", "n", "p").unwrap();
        assert!((sum - 3.5).abs() < f64::EPSILON);
        let error = sum_of_pod(PAGE, "container_cpu_usage_seconds_total", "n", "gone").unwrap_err();
        assert!(error.to_string().ends_with("of pod gone"), "{error}");
    }
}
