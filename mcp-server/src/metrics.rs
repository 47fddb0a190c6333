//! Prometheus metrics of the endpoint. Label values come from fixed sets, never from a caller.

use std::time::Duration;

use prometheus::{HistogramOpts, HistogramVec, IntCounterVec, IntGaugeVec, Opts, Registry};

use crate::inbox::InboxTotals;
use crate::network::SessionStatus;

/// Cheap to clone; clones count together.
#[derive(Debug, Clone)]
pub struct EndpointMetrics {
    calls: IntCounterVec,
    seconds: HistogramVec,
    rejected: IntCounterVec,
    inbox: IntGaugeVec,
    session: IntGaugeVec,
}

impl EndpointMetrics {
    /// # Errors
    /// The registry has metrics of these names already.
    pub fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let calls = Opts::new(
            "msg2agent_mcp_tool_calls_total",
            "Tool calls by outcome: ok, or the reason of the error.",
        );
        let seconds = HistogramOpts::new("msg2agent_mcp_tool_seconds", "Seconds a tool call took.")
            .buckets(vec![0.005, 0.025, 0.1, 0.5, 2.0, 10.0, 60.0]);
        let rejected =
            Opts::new("msg2agent_mcp_http_refused_total", "HTTP requests rejected before MCP, by reason.");
        let inbox = Opts::new("msg2agent_mcp_inbox_messages", "Messages in the inbox, unread and read.");
        let session = Opts::new(
            "msg2agent_mcp_session",
            "1 for the state of the session at the relay, 0 for the others.",
        );
        let metrics = Self {
            calls: IntCounterVec::new(calls, &["tool", "outcome"])?,
            seconds: HistogramVec::new(seconds, &["tool"])?,
            rejected: IntCounterVec::new(rejected, &["reason"])?,
            inbox: IntGaugeVec::new(inbox, &["state"])?,
            session: IntGaugeVec::new(session, &["state"])?,
        };
        registry.register(Box::new(metrics.calls.clone()))?;
        registry.register(Box::new(metrics.seconds.clone()))?;
        registry.register(Box::new(metrics.rejected.clone()))?;
        registry.register(Box::new(metrics.inbox.clone()))?;
        registry.register(Box::new(metrics.session.clone()))?;
        Ok(metrics)
    }

    pub fn count_call(&self, tool: &'static str, outcome: &'static str, took: Duration) {
        self.calls.with_label_values(&[tool, outcome]).inc();
        self.seconds.with_label_values(&[tool]).observe(took.as_secs_f64());
    }

    pub fn count_rejection(&self, reason: &'static str) {
        self.rejected.with_label_values(&[reason]).inc();
    }

    pub fn set_inbox(&self, totals: InboxTotals) {
        let set = |state, count| {
            self.inbox.with_label_values(&[state]).set(i64::try_from(count).unwrap_or(i64::MAX));
        };
        set("unread", totals.unread);
        set("read", totals.read);
    }

    pub fn set_session(&self, now: SessionStatus) {
        for state in SessionStatus::ALL {
            self.session.with_label_values(&[state.as_str()]).set(i64::from(state == now));
        }
    }
}
