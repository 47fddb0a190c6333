//! Prints how fast messages were stored and drained as a Markdown table.

use std::fmt;
use std::time::Duration;

use super::BacklogRound;
use crate::load::plan::Workload;
use crate::load::report::{greatest, least, median, microseconds, two_digits, whole};

#[derive(Debug)]
pub struct BacklogReport {
    workload: Workload,
    rounds: Vec<BacklogRound>,
}

impl BacklogReport {
    #[must_use]
    pub const fn new(workload: Workload) -> Self {
        Self { workload, rounds: Vec::new() }
    }

    pub fn add(&mut self, round: BacklogRound) {
        self.rounds.push(round);
    }

    #[must_use]
    pub fn rounds(&self) -> &[BacklogRound] {
        &self.rounds
    }

    fn rates(&self, took: fn(&BacklogRound) -> Duration) -> Vec<f64> {
        self.rounds.iter().map(|round| microseconds(round.messages) / took(round).as_secs_f64()).collect()
    }
}

impl fmt::Display for BacklogReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let quantile = |q| {
            let each = self.rounds.iter().map(|round| microseconds(round.latency.value_at_quantile(q)));
            whole(median(each.collect()))
        };
        let seconds = |took: fn(&BacklogRound) -> Duration| {
            two_digits(median(self.rounds.iter().map(|round| took(round).as_secs_f64()).collect()))
        };
        writeln!(
            f,
            "| senders x in flight | step | messages per second | least to most | p50 µs | p99 µs \
             | relay CPU s | messages | deleted after s |"
        )?;
        writeln!(f, "|---|---|---:|---|---:|---:|---:|---:|---:|")?;
        let total: u64 = self.rounds.iter().map(|round| round.messages).sum();
        let stored = self.rates(|round| round.storing);
        write!(f, "| {} | stored | {}", self.workload, whole(median(stored.clone())))?;
        write!(f, " | {} to {}", whole(least(&stored)), whole(greatest(&stored)))?;
        write!(f, " | {} | {}", quantile(0.5), quantile(0.99))?;
        writeln!(f, " | {} | {total} | |", seconds(|round| round.storing_cpu))?;
        let drained = self.rates(|round| round.draining);
        write!(f, "| {} | drained | {}", self.workload, whole(median(drained.clone())))?;
        write!(f, " | {} to {} | |", whole(least(&drained)), whole(greatest(&drained)))?;
        write!(f, " | {} | {total}", seconds(|round| round.draining_cpu))?;
        writeln!(f, " | {} |", seconds(|round| round.deleted))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_steps_have_their_rates() {
        let mut report = BacklogReport::new(Workload { pairs: 4, window: 8 });
        let mut latency = hdrhistogram::Histogram::new(3).unwrap();
        latency.record(700).unwrap();
        report.add(BacklogRound {
            messages: 1_000,
            storing: Duration::from_secs(2),
            storing_cpu: Duration::from_millis(500),
            latency,
            draining: Duration::from_secs(1),
            draining_cpu: Duration::from_millis(250),
            deleted: Duration::from_secs(3),
        });
        let text = report.to_string();
        let lines: Vec<_> = text.lines().skip(2).collect();
        assert_eq!(
            lines,
            [
                "| 4x8 | stored | 500 | 500 to 500 | 700 | 700 | 0.50 | 1000 | |",
                "| 4x8 | drained | 1000 | 1000 to 1000 | | | 0.25 | 1000 | 3.00 |"
            ]
        );
    }
}
