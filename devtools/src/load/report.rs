//! Prints the figures of all rounds as a Markdown table. A ratio compares servers of the same
//! round; the table shows the median of the rounds.

use std::collections::BTreeMap;
use std::fmt;

use super::plan::{LoadSubject, Workload};
use super::round::Round;

#[derive(Debug, Default)]
pub struct LoadReport {
    rounds: BTreeMap<(Workload, LoadSubject), Vec<Round>>,
    left_out: BTreeMap<LoadSubject, String>,
}

impl LoadReport {
    pub fn add(&mut self, workload: Workload, subject: LoadSubject, round: Round) {
        self.rounds.entry((workload, subject)).or_default().push(round);
    }

    /// This machine cannot run the subject.
    pub fn leave_out(&mut self, subject: LoadSubject, reason: &str) {
        self.left_out.insert(subject, reason.to_owned());
    }

    pub fn rounds(&self) -> impl Iterator<Item = (Workload, LoadSubject, &[Round])> {
        self.rounds.iter().map(|((workload, subject), rounds)| (*workload, *subject, rounds.as_slice()))
    }

    /// The subjects that were not measured, and why.
    pub fn left_out(&self) -> impl Iterator<Item = (LoadSubject, &str)> {
        self.left_out.iter().map(|(subject, reason)| (*subject, reason.as_str()))
    }

    /// Median over the rounds of `subject` by `anchor`, both in messages per server CPU second.
    #[must_use]
    pub fn ratio(&self, workload: Workload, subject: LoadSubject, anchor: LoadSubject) -> Option<f64> {
        let anchors = self.rounds.get(&(workload, anchor))?;
        let rounds = self.rounds.get(&(workload, subject))?;
        let ratios =
            rounds.iter().zip(anchors).map(|(own, other)| own.per_cpu_second() / other.per_cpu_second());
        median(ratios.collect())
    }

    fn line(
        &self,
        f: &mut fmt::Formatter<'_>,
        workload: Workload,
        subject: LoadSubject,
        rounds: &[Round],
    ) -> fmt::Result {
        let rates: Vec<_> = rounds.iter().map(Round::per_cpu_second).collect();
        let walls = rounds.iter().map(Round::per_wall_second).collect();
        let quantile =
            |q| median(rounds.iter().map(|r| microseconds(r.latency.value_at_quantile(q))).collect());
        write!(f, "| {workload} | {subject} | {}", whole(median(rates.clone())))?;
        write!(f, " | {} to {}", whole(least(&rates)), whole(greatest(&rates)))?;
        for anchor in subject.anchors() {
            write!(f, " | {}", two_digits(self.ratio(workload, subject, anchor)))?;
        }
        write!(f, " | {} | {}", whole(quantile(0.5)), whole(quantile(0.99)))?;
        let total: u64 = rounds.iter().map(|round| round.total).sum();
        let stored: u64 = rounds.iter().map(|round| round.stored).sum();
        writeln!(f, " | {} | {total} | {stored} |", whole(median(walls)))
    }
}

impl fmt::Display for LoadReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "| pairs x in flight | server | messages per server CPU second | least to most | of forwarder | of nats | of nats over WebSocket \
             | p50 µs | p99 µs | messages per wall second | sent = received | answered `stored` |"
        )?;
        writeln!(f, "|---|---|---:|---|---:|---:|---:|---:|---:|---:|---:|---:|")?;
        self.rounds().try_for_each(|(workload, subject, rounds)| self.line(f, workload, subject, rounds))?;
        self.left_out()
            .try_for_each(|(subject, reason)| writeln!(f, "| | {subject} | not measured: {reason} |"))
    }
}

#[expect(clippy::cast_precision_loss, reason = "latencies are far below 2^52 microseconds")]
pub(super) fn microseconds(value: u64) -> f64 {
    value as f64
}

pub(super) fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let upper = *values.get(values.len() / 2)?;
    let lower = *values.get((values.len() - 1) / 2)?;
    Some(f64::midpoint(lower, upper))
}

pub(super) fn least(values: &[f64]) -> Option<f64> {
    values.iter().copied().min_by(f64::total_cmp)
}

pub(super) fn greatest(values: &[f64]) -> Option<f64> {
    values.iter().copied().max_by(f64::total_cmp)
}

pub(super) fn whole(value: Option<f64>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| format!("{value:.0}"))
}

pub(super) fn two_digits(value: Option<f64>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| format!("{value:.2}"))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn round(messages: u64, cpu: u64) -> Round {
        let latency = hdrhistogram::Histogram::new(3).unwrap();
        let wall = Duration::from_secs(2);
        Round { messages, wall, cpu: Duration::from_secs(cpu), latency, total: messages, stored: 0 }
    }

    #[test]
    fn a_ratio_is_the_median_of_the_rounds_own_ratios() {
        let (mut report, workload) = (LoadReport::default(), Workload { pairs: 1, window: 1 });
        for (forwarder, relay) in [(100, 50), (1000, 400), (10, 9)] {
            report.add(workload, LoadSubject::Forwarder, round(forwarder, 1));
            report.add(workload, LoadSubject::RelayEphemeral, round(relay, 1));
        }
        assert_eq!(report.ratio(workload, LoadSubject::RelayEphemeral, LoadSubject::Forwarder), Some(0.5));
        assert_eq!(report.ratio(workload, LoadSubject::RelayEphemeral, LoadSubject::Nats), None);
    }

    #[test]
    fn rates_count_cpu_time_and_not_wall_time() {
        assert!((round(100, 4).per_cpu_second() - 25.0).abs() < f64::EPSILON);
    }
}
