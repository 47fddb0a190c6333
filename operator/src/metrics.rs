//! The operator's metrics. Labels have fixed sets of values and contain no object names.

use std::time::Duration;

use prometheus::core::Collector;
use prometheus::{Gauge, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, Opts, Registry};

use crate::error::Category;
use crate::object_key::Kind;
use crate::queue::Priority;

/// Handles of all metrics. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Metrics {
    reconciles: HistogramVec,
    failures: IntCounterVec,
    queue_wait: HistogramVec,
    pub queue_waiting: IntGauge,
    pub queue_oldest: Gauge,
    pub is_leader: IntGauge,
    pub unconfirmed_revocations: IntCounter,
    pub rotations: IntCounter,
    pub writes: IntCounter,
    pub refused_writes: IntCounter,
    pub dropped_events: IntCounter,
    pub watch_failures: IntCounterVec,
    pub undecodable_objects: IntGauge,
}

impl Metrics {
    /// Creates the metrics and registers them.
    ///
    /// # Errors
    /// A metric of the same name is registered already.
    pub fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let counter = |name: &str, help: &str| registered(registry, IntCounter::new(name, help)?);
        let gauge = |name: &str, help: &str| registered(registry, IntGauge::new(name, help)?);
        let counters = |name: &str, help: &str, labels: &[&str]| {
            registered(registry, IntCounterVec::new(Opts::new(name, help), labels)?)
        };
        let seconds = |name: &str, help: &str, label: &str| {
            let buckets = vec![0.001, 0.005, 0.02, 0.1, 0.5, 2.0, 10.0];
            let options = HistogramOpts::new(name, help).buckets(buckets);
            registered(registry, HistogramVec::new(options, &[label])?)
        };
        Ok(Self {
            reconciles: seconds(
                "msg2agent_operator_reconcile_seconds",
                "Duration of one reconcile in seconds.",
                "kind",
            )?,
            failures: counters(
                "msg2agent_operator_reconcile_failures_total",
                "Reconciles that failed, by category.",
                &["kind", "category"],
            )?,
            queue_wait: seconds(
                "msg2agent_operator_queue_wait_seconds",
                "Time that an object waited for a worker, in seconds.",
                "priority",
            )?,
            queue_waiting: gauge("msg2agent_operator_queue_waiting", "Objects waiting to be reconciled.")?,
            queue_oldest: registered(
                registry,
                Gauge::new(
                    "msg2agent_operator_queue_oldest_seconds",
                    "How long the object that waits longest has been waiting, in seconds.",
                )?,
            )?,
            is_leader: gauge("msg2agent_operator_leader", "1 while this replica leads.")?,
            unconfirmed_revocations: counter(
                "msg2agent_operator_unconfirmed_revocations_total",
                "Objects deleted before the relay confirmed the revocation of their keys.",
            )?,
            rotations: counter("msg2agent_operator_rotations_total", "API keys promoted to the active key.")?,
            writes: counter(
                "msg2agent_operator_writes_total",
                "Writes sent to the API server, without those of the lease.",
            )?,
            refused_writes: counter(
                "msg2agent_operator_refused_writes_total",
                "Writes not sent because this replica no longer held the lease.",
            )?,
            dropped_events: counter(
                "msg2agent_operator_dropped_events_total",
                "Events that were not published because the queue was full or the API server refused them.",
            )?,
            watch_failures: counters(
                "msg2agent_operator_watch_failures_total",
                "Lists and watches that failed, by resource.",
                &["resource"],
            )?,
            undecodable_objects: gauge(
                "msg2agent_operator_undecodable_objects",
                "Objects that cannot be decoded. They and what depends on them stay as they are.",
            )?,
        })
    }

    pub fn reconciled(&self, kind: Kind, took: Duration) {
        self.reconciles.with_label_values(&[kind.as_str()]).observe(took.as_secs_f64());
    }

    pub fn failed(&self, kind: Kind, category: Category) {
        self.failures.with_label_values(&[kind.as_str(), category.as_str()]).inc();
    }

    pub fn waited(&self, priority: Priority, waited: Duration) {
        self.queue_wait.with_label_values(&[priority.as_str()]).observe(waited.as_secs_f64());
    }
}

fn registered<C: Collector + Clone + 'static>(
    registry: &Registry,
    metric: C,
) -> Result<C, prometheus::Error> {
    registry.register(Box::new(metric.clone()))?;
    Ok(metric)
}
