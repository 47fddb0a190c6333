//! What this process counts. Labels are words of this program only, never what a caller sent.

use std::time::Duration;

use prometheus::{HistogramOpts, HistogramVec, IntCounterVec, IntGaugeVec, Opts, Registry};

use crate::inbox::Totals;
use crate::network::Session;

/// Cheap to clone; clones count together.
#[derive(Debug, Clone)]
pub struct Metrics {
    calls: IntCounterVec,
    seconds: HistogramVec,
    refused: IntCounterVec,
    inbox: IntGaugeVec,
    session: IntGaugeVec,
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
        let session = Opts::new(
            "msg2agent_mcp_session",
            "1 for the state of the session at the relay, 0 for the others.",
        );
        let metrics = Self {
            calls: IntCounterVec::new(calls, &["tool", "outcome"])?,
            seconds: HistogramVec::new(seconds, &["tool"])?,
            refused: IntCounterVec::new(refused, &["reason"])?,
            inbox: IntGaugeVec::new(inbox, &["state"])?,
            session: IntGaugeVec::new(session, &["state"])?,
        };
        registry.register(Box::new(metrics.calls.clone()))?;
        registry.register(Box::new(metrics.seconds.clone()))?;
        registry.register(Box::new(metrics.refused.clone()))?;
        registry.register(Box::new(metrics.inbox.clone()))?;
        registry.register(Box::new(metrics.session.clone()))?;
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

    pub fn session(&self, now: Session) {
        for state in Session::ALL {
            self.session.with_label_values(&[state.word()]).set(i64::from(state == now));
        }
    }
}
