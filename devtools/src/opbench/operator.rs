//! Reads the operator's memory, CPU and writes through the API server, so that any kubeconfig is
//! enough.

use anyhow::{Context as _, ensure};

use super::bench_cluster::BenchCluster;
use super::exposition;
use super::writes::Writes;

/// Where the operator runs.
#[derive(Debug, Clone)]
pub struct Address {
    pub namespace: String,
    /// Label selector of its pod.
    pub labels: String,
}

/// One reading. The kubelet samples memory and CPU every 10 s or so; writes are of this moment.
#[derive(Debug, Clone)]
pub struct Reading {
    /// Working set of the operator's containers, bytes.
    pub memory_bytes: f64,
    pub cpu_seconds: f64,
    pub writes: Writes,
}

impl Reading {
    /// # Errors
    /// No pod, no metrics, or metrics that are missing.
    pub async fn take(cluster: &BenchCluster, operator: &Address) -> anyhow::Result<Self> {
        let (pod, node) = cluster.running_pod(&operator.namespace, &operator.labels).await?;
        let kubelet = page(cluster, &format!("/api/v1/nodes/{node}/proxy/metrics/resource")).await?;
        let of_pod = |metric| sum_of_pod(&kubelet, metric, &operator.namespace, &pod);
        Ok(Self {
            memory_bytes: of_pod("container_memory_working_set_bytes")?,
            cpu_seconds: of_pod("container_cpu_usage_seconds_total")?,
            writes: Writes::read(&page(cluster, "/metrics").await?)?,
        })
    }
}

async fn page(cluster: &BenchCluster, path: &str) -> anyhow::Result<String> {
    let request = http::Request::get(path).body(vec![])?;
    cluster.client.request_text(request).await.with_context(|| format!("read {path}"))
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
