//! Metrics of the operator. Labels come from closed sets; no object names.

use std::time::Duration;

use prometheus::{HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, Opts, Registry};

use crate::error::Category;
use crate::key::Kind;

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
    /// # Errors
    /// A metric of the same name exists in the registry.
    pub fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let seconds = HistogramOpts::new("msg2agent_operator_reconcile_seconds", "Time of one reconcile.")
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
                "Objects whose deletion went through before the relay confirmed that their keys are refused.",
            )?,
            rotations: IntCounter::new("msg2agent_operator_rotations_total", "API keys put into use.")?,
            writes: IntCounter::new(
                "msg2agent_operator_writes_total",
                "Writes sent to the API server, all but those of the lease.",
            )?,
            refused_writes: IntCounter::new(
                "msg2agent_operator_refused_writes_total",
                "Writes not sent because this replica did not hold the lease any more.",
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
