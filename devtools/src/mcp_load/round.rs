//! Runs one measurement: calls of one kind over all sessions, a fixed number in flight, each timed.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use anyhow::Context as _;
use futures::future::try_join_all;
use hdrhistogram::Histogram;
use serde_json::{Value, json};

use super::McpLoadPlan;
use super::session::McpSession;
use super::site::Sites;

/// The kind of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum CallSubject {
    /// A tool that does nothing, at the bare server.
    Bare,
    /// A tool that reads the agent's own inbox, through the gateway.
    OwnInbox,
    /// A message to another agent: through the gateway, the endpoint and the relay, until that says
    /// `stored` or `delivered`.
    Message,
}

impl CallSubject {
    pub const ALL: [Self; 3] = [Self::Bare, Self::OwnInbox, Self::Message];

    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::Bare => "bare rmcp server, a tool that does nothing",
            Self::OwnInbox => "gateway, `message_count` (no relay)",
            Self::Message => "gateway, `send_message` (through the relay)",
        }
    }

    fn call(self, sites: &Sites) -> (&'static str, Value, &[McpSession]) {
        match self {
            Self::Bare => ("nothing", json!({}), &sites.at_bare),
            Self::OwnInbox => ("message_count", json!({}), &sites.through_gateway),
            Self::Message => {
                let arguments = json!({"to": sites.receiver.as_str(), "text": "hello"});
                ("send_message", arguments, &sites.through_gateway)
            }
        }
    }
}

/// Microseconds of each call.
///
/// # Errors
/// The first call that fails: none may.
pub async fn run(subject: CallSubject, sites: &Sites, plan: &McpLoadPlan) -> anyhow::Result<Histogram<u64>> {
    let (tool, arguments, sessions) = subject.call(sites);
    let (next, until) = (AtomicUsize::new(0), Instant::now() + plan.measured);
    let caller = || async {
        let mut times = Histogram::<u64>::new(3).context("make a histogram")?;
        while Instant::now() < until {
            let at = next.fetch_add(1, Ordering::Relaxed) % sessions.len();
            let session = sessions.get(at).context("a run without sessions")?;
            let started = Instant::now();
            session.call(tool, &arguments).await?;
            times.record(u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX))?;
        }
        anyhow::Ok(times)
    };
    let mut all = Histogram::<u64>::new(3).context("make a histogram")?;
    for times in try_join_all((0..plan.in_flight).map(|_| caller())).await? {
        all.add(times)?;
    }
    Ok(all)
}
