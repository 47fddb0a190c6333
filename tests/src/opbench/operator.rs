//! The operator's and the API server's metrics, both through the API server, so that any kubeconfig will do.

use anyhow::{Context as _, ensure};
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::cluster::Cluster;
use super::exposition;
use super::writes::Writes;

/// Bytes of a metrics page; more is not one.
const PAGE_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// Where the operator runs.
#[derive(Debug, Clone)]
pub struct Address {
    pub namespace: String,
    /// Label selector of its pod.
    pub labels: String,
    pub port: u16,
}

/// What the operator has used and written so far.
#[derive(Debug, Clone)]
pub struct Reading {
    pub resident_bytes: f64,
    pub cpu_seconds: f64,
    pub writes: Writes,
    /// The API server's count, of all clients.
    pub at_api_server: Writes,
}

impl Reading {
    /// # Errors
    /// No pod, no metrics, or metrics that are missing.
    pub async fn take(cluster: &Cluster, operator: &Address) -> anyhow::Result<Self> {
        let page = operator_page(cluster, operator).await.context("read the operator's metrics")?;
        let request = http::Request::get("/metrics").body(vec![])?;
        let api_server =
            cluster.client.request_text(request).await.context("read the API server's metrics")?;
        Ok(Self {
            resident_bytes: exposition::value(&page, "process_resident_memory_bytes")?,
            cpu_seconds: exposition::value(&page, "process_cpu_seconds_total")?,
            writes: Writes::of_operator(&page)?,
            at_api_server: Writes::at_api_server(&api_server)?,
        })
    }
}

/// `GET /metrics` over a forwarded port. HTTP/1.0: the page ends with the connection.
async fn operator_page(cluster: &Cluster, operator: &Address) -> anyhow::Result<String> {
    let pod = cluster.running_pod(&operator.namespace, &operator.labels).await?;
    let pods = Api::<Pod>::namespaced(cluster.client.clone(), &operator.namespace);
    let mut forward = pods.portforward(&pod, &[operator.port]).await?;
    let mut stream = forward.take_stream(operator.port).context("the port is not forwarded")?;
    stream.write_all(b"GET /metrics HTTP/1.0\r\n\r\n").await?;
    let mut answer = String::new();
    stream.take(PAGE_BYTES_MAX).read_to_string(&mut answer).await?;
    let (head, page) = answer.split_once("\r\n\r\n").context("no HTTP answer")?;
    ensure!(head.contains(" 200 "), "the operator answers {}", head.lines().next().unwrap_or_default());
    Ok(page.to_owned())
}
