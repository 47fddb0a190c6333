//! What this process counts. Labels are words of this program only, never what a caller sent.

use std::time::Duration;

use prometheus::{HistogramOpts, HistogramVec, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry};

use crate::inbox::Totals;

/// Cheap to clone; clones count together.
#[derive(Debug, Clone)]
pub struct Metrics {
    calls: IntCounterVec,
    seconds: HistogramVec,
    refused: IntCounterVec,
    inbox: IntGaugeVec,
    link_up: IntGauge,
}

impl Metrics {
    /// # Errors
    /// The registry has metrics of these names already.
    pub fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let calls = Opts::new("msg2agent_mcp_tool_calls_total", "Tool calls by outcome: ok, or why not.");
        let seconds = HistogramOpts::new("msg2agent_mcp_tool_seconds", "Time a tool call took.")
            .buckets(vec![0.005, 0.025, 0.1, 0.5, 2.0, 10.0, 60.0]);
        let refused =
            Opts::new("msg2agent_mcp_http_refused_total", "HTTP requests refused before MCP, by reason.");
        let inbox = Opts::new("msg2agent_mcp_inbox_messages", "Messages in the inbox, unread and read.");
        let metrics = Self {
            calls: IntCounterVec::new(calls, &["tool", "outcome"])?,
            seconds: HistogramVec::new(seconds, &["tool"])?,
            refused: IntCounterVec::new(refused, &["reason"])?,
            inbox: IntGaugeVec::new(inbox, &["state"])?,
            link_up: IntGauge::new("msg2agent_mcp_link_up", "1 while the agent is registered at the relay.")?,
        };
        registry.register(Box::new(metrics.calls.clone()))?;
        registry.register(Box::new(metrics.seconds.clone()))?;
        registry.register(Box::new(metrics.refused.clone()))?;
        registry.register(Box::new(metrics.inbox.clone()))?;
        registry.register(Box::new(metrics.link_up.clone()))?;
        Ok(metrics)
    }

    pub fn called(&self, tool: &'static str, outcome: &'static str, took: Duration) {
        self.calls.with_label_values(&[tool, outcome]).inc();
        self.seconds.with_label_values(&[tool]).observe(took.as_secs_f64());
    }

    pub fn refused(&self, reason: &'static str) {
        self.refused.with_label_values(&[reason]).inc();
    }

    pub fn inbox(&self, totals: Totals) {
        let set = |state, count| {
            self.inbox.with_label_values(&[state]).set(i64::try_from(count).unwrap_or(i64::MAX));
        };
        set("unread", totals.unread);
        set("read", totals.read);
    }

    pub fn link(&self, up: bool) {
        self.link_up.set(i64::from(up));
    }
}
