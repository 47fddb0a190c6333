//! What the gateway counts. Labels are words of this program only.

use std::time::Duration;

use prometheus::{Histogram, HistogramOpts, IntCounterVec, IntGauge, Opts, Registry};

/// Cheap to clone; clones count together.
#[derive(Debug, Clone)]
pub struct Metrics {
    refused: IntCounterVec,
    forwarded: IntCounterVec,
    seconds: Histogram,
    asked: IntCounterVec,
    known: IntGauge,
}

impl Metrics {
    /// # Errors
    /// The registry has metrics of these names already.
    pub fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let refused = Opts::new(
            "msg2agent_gateway_refused_total",
            "Requests refused by the gateway itself, by reason.",
        );
        let forwarded = Opts::new(
            "msg2agent_gateway_forwarded_total",
            "Requests brought to an endpoint, by class of its answer.",
        );
        let seconds =
            HistogramOpts::new("msg2agent_gateway_seconds", "Time until an endpoint began to answer.")
                .buckets(vec![0.005, 0.025, 0.1, 0.5, 2.0, 10.0, 60.0]);
        let asked = Opts::new(
            "msg2agent_gateway_asked_total",
            "Questions to the relay about credentials, by answer.",
        );
        let metrics = Self {
            refused: IntCounterVec::new(refused, &["reason"])?,
            forwarded: IntCounterVec::new(forwarded, &["status"])?,
            seconds: Histogram::with_opts(seconds)?,
            asked: IntCounterVec::new(asked, &["answer"])?,
            known: IntGauge::new("msg2agent_gateway_credentials", "Credentials whose endpoint is known.")?,
        };
        registry.register(Box::new(metrics.refused.clone()))?;
        registry.register(Box::new(metrics.forwarded.clone()))?;
        registry.register(Box::new(metrics.seconds.clone()))?;
        registry.register(Box::new(metrics.asked.clone()))?;
        registry.register(Box::new(metrics.known.clone()))?;
        Ok(metrics)
    }

    pub fn refused(&self, reason: &'static str) {
        self.refused.with_label_values(&[reason]).inc();
    }

    pub fn forwarded(&self, status: axum::http::StatusCode, took: Duration) {
        let class = match status.as_u16() {
            200..=299 => "2xx",
            400..=499 => "4xx",
            500..=599 => "5xx",
            _ => "other",
        };
        self.forwarded.with_label_values(&[class]).inc();
        self.seconds.observe(took.as_secs_f64());
    }

    pub fn asked(&self, answer: &'static str) {
        self.asked.with_label_values(&[answer]).inc();
    }

    pub fn known(&self, count: usize) {
        self.known.set(i64::try_from(count).unwrap_or(i64::MAX));
    }
}
