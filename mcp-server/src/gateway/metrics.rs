//! Prometheus metrics of the gateway. Label values come from fixed sets, never from a caller.

use std::time::Duration;

use prometheus::{Histogram, HistogramOpts, IntCounterVec, IntGauge, Opts, Registry};

/// Cheap to clone; clones count together.
#[derive(Debug, Clone)]
pub struct GatewayMetrics {
    rejected: IntCounterVec,
    forwarded: IntCounterVec,
    seconds: Histogram,
    introspections: IntCounterVec,
    cached_routes: IntGauge,
}

impl GatewayMetrics {
    /// # Errors
    /// The registry has metrics of these names already.
    pub fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let rejected = Opts::new(
            "msg2agent_gateway_refused_total",
            "Requests rejected by the gateway itself, by reason.",
        );
        let forwarded = Opts::new(
            "msg2agent_gateway_forwarded_total",
            "Requests forwarded to an endpoint, by status class of the response.",
        );
        let seconds =
            HistogramOpts::new("msg2agent_gateway_seconds", "Seconds until an endpoint began to answer.")
                .buckets(vec![0.005, 0.025, 0.1, 0.5, 2.0, 10.0, 60.0]);
        let introspections = Opts::new(
            "msg2agent_gateway_asked_total",
            "Introspections of credentials at the relay, by answer.",
        );
        let metrics = Self {
            rejected: IntCounterVec::new(rejected, &["reason"])?,
            forwarded: IntCounterVec::new(forwarded, &["status"])?,
            seconds: Histogram::with_opts(seconds)?,
            introspections: IntCounterVec::new(introspections, &["answer"])?,
            cached_routes: IntGauge::new(
                "msg2agent_gateway_credentials",
                "Credentials whose endpoint is cached.",
            )?,
        };
        registry.register(Box::new(metrics.rejected.clone()))?;
        registry.register(Box::new(metrics.forwarded.clone()))?;
        registry.register(Box::new(metrics.seconds.clone()))?;
        registry.register(Box::new(metrics.introspections.clone()))?;
        registry.register(Box::new(metrics.cached_routes.clone()))?;
        Ok(metrics)
    }

    pub fn count_rejection(&self, reason: &'static str) {
        self.rejected.with_label_values(&[reason]).inc();
    }

    pub fn count_forwarded(&self, status: axum::http::StatusCode, took: Duration) {
        let class = match status.as_u16() {
            200..=299 => "2xx",
            400..=499 => "4xx",
            500..=599 => "5xx",
            _ => "other",
        };
        self.forwarded.with_label_values(&[class]).inc();
        self.seconds.observe(took.as_secs_f64());
    }

    pub fn count_introspection(&self, answer: &'static str) {
        self.introspections.with_label_values(&[answer]).inc();
    }

    pub fn set_cached_routes(&self, count: usize) {
        self.cached_routes.set(i64::try_from(count).unwrap_or(i64::MAX));
    }
}
