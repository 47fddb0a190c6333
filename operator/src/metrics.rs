//! The operator's metrics. Labels have fixed sets of values and contain no object names.

use std::time::Duration;

use prometheus::{HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, Opts, Registry};

use crate::error::Category;
use crate::object_key::Kind;

/// Handles of all metrics. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Metrics {
    reconciles: HistogramVec,
    failures: IntCounterVec,
    pub queue_waiting: IntGauge,
    pub is_leader: IntGauge,
    pub unconfirmed_revocations: IntCounter,
    pub rotations: IntCounter,
    pub writes: IntCounter,
    pub refused_writes: IntCounter,
}

impl Metrics {
    /// Creates the metrics and registers them.
    ///
    /// # Errors
    /// A metric of the same name is registered already.
    pub fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let seconds = HistogramOpts::new(
            "msg2agent_operator_reconcile_seconds",
            "Duration of one reconcile in seconds.",
        )
        .buckets(vec![0.001, 0.005, 0.02, 0.1, 0.5, 2.0, 10.0]);
        let failures =
            Opts::new("msg2agent_operator_reconcile_failures_total", "Reconciles that failed, by category.");
        let metrics = Self {
            reconciles: HistogramVec::new(seconds, &["kind"])?,
            failures: IntCounterVec::new(failures, &["kind", "category"])?,
            queue_waiting: IntGauge::new(
                "msg2agent_operator_queue_waiting",
                "Objects waiting to be reconciled.",
            )?,
            is_leader: IntGauge::new("msg2agent_operator_leader", "1 while this replica holds the lease.")?,
            unconfirmed_revocations: IntCounter::new(
                "msg2agent_operator_unconfirmed_revocations_total",
                "Objects deleted before the relay confirmed the revocation of their keys.",
            )?,
            rotations: IntCounter::new(
                "msg2agent_operator_rotations_total",
                "API keys promoted to the active key.",
            )?,
            writes: IntCounter::new(
                "msg2agent_operator_writes_total",
                "Writes sent to the API server, without those of the lease.",
            )?,
            refused_writes: IntCounter::new(
                "msg2agent_operator_refused_writes_total",
                "Writes not sent because this replica no longer held the lease.",
            )?,
        };
        registry.register(Box::new(metrics.reconciles.clone()))?;
        registry.register(Box::new(metrics.failures.clone()))?;
        registry.register(Box::new(metrics.queue_waiting.clone()))?;
        registry.register(Box::new(metrics.is_leader.clone()))?;
        registry.register(Box::new(metrics.unconfirmed_revocations.clone()))?;
        registry.register(Box::new(metrics.rotations.clone()))?;
        registry.register(Box::new(metrics.writes.clone()))?;
        registry.register(Box::new(metrics.refused_writes.clone()))?;
        Ok(metrics)
    }

    pub fn reconciled(&self, kind: Kind, took: Duration) {
        self.reconciles.with_label_values(&[kind.as_str()]).observe(took.as_secs_f64());
    }

    pub fn failed(&self, kind: Kind, category: Category) {
        self.failures.with_label_values(&[kind.as_str(), category.as_str()]).inc();
    }
}
