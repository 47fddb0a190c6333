//! Prints the figures of a run as Markdown tables.

use std::collections::BTreeMap;
use std::fmt;

use hdrhistogram::Histogram;

use super::McpLoadPlan;
use super::round::CallSubject;
use super::site::{Memory, Sites};

pub struct McpLoadReport {
    plan: McpLoadPlan,
    memory: Memory,
    rounds: BTreeMap<CallSubject, Vec<Histogram<u64>>>,
}

impl McpLoadReport {
    pub(super) fn new(plan: &McpLoadPlan, sites: &Sites) -> anyhow::Result<Self> {
        Ok(Self { plan: *plan, memory: sites.memory, rounds: BTreeMap::new() })
    }

    pub(super) fn add(&mut self, subject: CallSubject, round: Histogram<u64>) {
        self.rounds.entry(subject).or_default().push(round);
    }

    /// Calls of all rounds.
    #[must_use]
    pub fn calls(&self, subject: CallSubject) -> u64 {
        self.rounds.get(&subject).into_iter().flatten().map(Histogram::len).sum()
    }

    /// Bytes of a session: at the gateway, at the endpoints behind it, at the bare server.
    #[must_use]
    pub fn bytes_per_session(&self) -> [u64; 3] {
        let sessions = self.plan.sessions.max(1) as u64;
        [self.memory.gateway, self.memory.endpoints, self.memory.bare].map(|bytes| bytes / sessions)
    }

    fn quantile(&self, subject: CallSubject, quantile: f64) -> u64 {
        let rounds = self.rounds.get(&subject).into_iter().flatten();
        let mut values: Vec<_> = rounds.map(|round| round.value_at_quantile(quantile)).collect();
        values.sort_unstable();
        values.get(values.len() / 2).copied().unwrap_or_default()
    }
}

impl fmt::Display for McpLoadReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let McpLoadPlan { sessions, agents, in_flight, .. } = self.plan;
        writeln!(
            f,
            "{sessions} sessions of {agents} agents on one gateway, each with its stream open; {in_flight} calls in flight.\n"
        )?;
        let [gateway, endpoints, bare] = self.bytes_per_session().map(|bytes| bytes / 1024);
        writeln!(f, "| memory of a session | KiB |\n|---|---:|")?;
        writeln!(
            f,
            "| at the gateway | {gateway} |\n| at the endpoint behind it | {endpoints} |\n| at the bare rmcp server | {bare} |\n"
        )?;
        writeln!(
            f,
            "| `tools/call` | calls | p50 µs | p99 µs | p50 of bare | p99 of bare |\n|---|---:|---:|---:|---:|---:|"
        )?;
        for subject in CallSubject::ALL {
            let [p50, p99] = [0.5, 0.99].map(|quantile| self.quantile(subject, quantile));
            let of_bare = |quantile, value: u64| {
                let bare = self.quantile(CallSubject::Bare, quantile).max(1);
                format!("{}.{:02}", value / bare, value * 100 / bare % 100)
            };
            let (title, calls) = (subject.title(), self.calls(subject));
            writeln!(
                f,
                "| {title} | {calls} | {p50} | {p99} | {} | {} |",
                of_bare(0.5, p50),
                of_bare(0.99, p99)
            )?;
        }
        Ok(())
    }
}
