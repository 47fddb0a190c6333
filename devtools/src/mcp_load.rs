//! Opens many MCP sessions on one gateway and on a bare rmcp server in the same run, and measures
//! memory per session and the latency of calls.
//!
//! Reading order: [`session`] (one client), [`bare`] (the peer), [`round`] (one measurement),
//! [`report`] (the table). Loopback only.

pub mod bare;
pub mod report;
pub mod round;
pub mod session;
mod site;

use std::time::Duration;

use report::McpLoadReport;
use site::Sites;

/// The size of a run.
#[derive(Debug, Clone, Copy)]
pub struct McpLoadPlan {
    /// MCP sessions, each with its stream open.
    pub sessions: usize,
    /// Agents behind the gateway, which share the sessions.
    pub agents: usize,
    /// Calls under way at a time.
    pub in_flight: usize,
    pub rounds: u32,
    pub measured: Duration,
}

/// Opens all sessions, then measures each subject in turn, round after round, so that a noisy
/// moment hits them alike.
///
/// # Errors
/// Something does not start, or a call fails.
pub async fn run(plan: &McpLoadPlan) -> anyhow::Result<McpLoadReport> {
    let sites = Sites::start(plan).await?;
    let mut report = McpLoadReport::new(plan, &sites)?;
    for number in 0..plan.rounds {
        for subject in round::CallSubject::ALL {
            let round = round::run(subject, &sites, plan).await?;
            tracing::info!(?subject, round = number + 1, calls = round.len(), "round done");
            report.add(subject, round);
        }
    }
    Ok(report)
}
