//! Prometheus metrics of the directory, collected at each scrape.

use std::sync::Arc;

use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use prometheus::{IntCounter, IntGauge, IntGaugeVec, Opts, Registry};

use crate::directory::Directory;

struct DirectoryMetrics {
    directory: Arc<Directory>,
    entries: IntGaugeVec,
    version: IntGauge,
    commits: IntCounter,
}

pub(super) fn register(registry: &Registry, directory: &Arc<Directory>) -> Result<(), prometheus::Error> {
    let entries = Opts::new("msg2agent_relay_directory_entries", "Tenants, agents and API keys by kind.");
    registry.register(Box::new(DirectoryMetrics {
        directory: Arc::clone(directory),
        entries: IntGaugeVec::new(entries, &["kind"])?,
        version: IntGauge::new(
            "msg2agent_relay_directory_version",
            "Version of the directory this relay enforces.",
        )?,
        commits: IntCounter::new(
            "msg2agent_relay_directory_commits_total",
            "Transactions with changes of the directory; each holds all changes that waited.",
        )?,
    }))
}

impl Collector for DirectoryMetrics {
    fn desc(&self) -> Vec<&Desc> {
        let own = [self.version.desc(), self.commits.desc()];
        self.entries.desc().into_iter().chain(own.into_iter().flatten()).collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let size = self.directory.size();
        for (kind, count) in [("tenant", size.tenants), ("agent", size.agents), ("key", size.keys)] {
            self.entries.with_label_values(&[kind]).set(i64::try_from(count).unwrap_or(i64::MAX));
        }
        self.version.set(i64::try_from(size.version).unwrap_or(i64::MAX));
        self.commits.inc_by(size.commits.saturating_sub(self.commits.get()));
        let own = [self.version.collect(), self.commits.collect()];
        self.entries.collect().into_iter().chain(own.into_iter().flatten()).collect()
    }
}
