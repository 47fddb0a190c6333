//! Describes the machine beside the figures: its cores, how long etcd waits for its disk, and how
//! often the API server collects garbage.

use std::fmt;

use super::bench_cluster::BenchCluster;
use super::exposition;
use crate::cluster::component::ETCD_METRICS_PORT;

/// The name of the built-in cluster's node.
const NODE: &str = "node";
const METRIC: &str = "etcd_disk_wal_fsync_duration_seconds";
/// The API server's own word for its `GOGC`.
const COLLECTION_METRIC: &str = "go_gc_gogc_percent";

/// The machine that a benchmark runs on.
#[derive(Debug)]
pub struct BenchMachine {
    cores: usize,
    pub etcd: EtcdDisk,
    /// Growth of the API server's heap, in percent, after which it collects. `None`: not known.
    collection_percent: Option<f64>,
}

/// What etcd's metrics say about its write-ahead log.
#[derive(Debug, Clone, PartialEq)]
pub enum EtcdDisk {
    /// Its metrics are not reached; other clusters than the built-in one hide them.
    Unknown,
    /// It has never waited for the disk.
    NoFsync,
    /// The least bounds of its histogram that hold half, and 99 %, of the times.
    Fsync { count: f64, p50: f64, p99: f64 },
}

impl BenchMachine {
    /// # Errors
    /// Metrics of etcd that cannot be read as such.
    pub async fn of(cluster: &BenchCluster) -> anyhow::Result<Self> {
        let path = format!("/api/v1/nodes/http:{NODE}:{ETCD_METRICS_PORT}/proxy/metrics");
        let etcd = match cluster.page(&path).await {
            Ok(text) => EtcdDisk::read(&text)?,
            Err(_) => EtcdDisk::Unknown,
        };
        let metrics = cluster.page("/metrics").await.unwrap_or_default();
        let collection_percent =
            exposition::samples(&metrics, COLLECTION_METRIC)?.first().map(|sample| sample.value);
        Ok(Self { cores: std::thread::available_parallelism()?.get(), etcd, collection_percent })
    }
}

impl EtcdDisk {
    fn read(text: &str) -> anyhow::Result<Self> {
        let buckets = exposition::samples(text, &format!("{METRIC}_bucket"))?;
        let count = buckets.iter().map(|bucket| bucket.value).fold(0.0, f64::max);
        if count == 0.0 {
            return Ok(Self::NoFsync);
        }
        let bound = |share: f64| {
            let enough = buckets.iter().find(|bucket| bucket.value >= count * share);
            enough.and_then(|bucket| bucket.label("le").parse().ok()).unwrap_or(f64::INFINITY)
        };
        Ok(Self::Fsync { count, p50: bound(0.5), p99: bound(0.99) })
    }
}

impl fmt::Display for EtcdDisk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown => f.write_str("etcd: its metrics are not reached"),
            Self::NoFsync => f.write_str("etcd: does not wait for the disk"),
            Self::Fsync { count, p50, p99 } => {
                let [p50, p99] = [p50, p99].map(|seconds| seconds * 1000.0);
                write!(f, "etcd: {count:.0} fsyncs, p50 at most {p50:.0} ms, p99 at most {p99:.0} ms")
            }
        }
    }
}

impl fmt::Display for BenchMachine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} cores; {}", self.cores, self.etcd)?;
        match self.collection_percent {
            Some(percent) => write!(f, "; API server: GOGC={percent}"),
            None => f.write_str("; API server: its GOGC is not known"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_etcd_that_never_synced_is_told_from_one_that_does() {
        let empty = format!("{METRIC}_bucket{{le=\"0.001\"}} 0\n{METRIC}_bucket{{le=\"+Inf\"}} 0\n");
        assert_eq!(EtcdDisk::read(&empty).unwrap(), EtcdDisk::NoFsync);
        let text = format!(
            "{METRIC}_bucket{{le=\"0.001\"}} 60\n{METRIC}_bucket{{le=\"0.008\"}} 99\n{METRIC}_bucket{{le=\"+Inf\"}} 100\n"
        );
        let found = EtcdDisk::read(&text).unwrap();
        assert_eq!(found, EtcdDisk::Fsync { count: 100.0, p50: 0.001, p99: 0.008 });
        assert_eq!(found.to_string(), "etcd: 100 fsyncs, p50 at most 1 ms, p99 at most 8 ms");
    }
}
