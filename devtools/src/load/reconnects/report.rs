//! Prints the times of reconnects as a Markdown table.

use std::collections::BTreeMap;
use std::fmt;

use hdrhistogram::Histogram;

use super::ReconnectsRound;
use crate::load::relay::agents::RelayTransport;
use crate::load::report::{greatest, least, median, microseconds, two_digits, whole};

#[derive(Debug)]
pub struct ReconnectsReport {
    connections: usize,
    rounds: BTreeMap<RelayTransport, Vec<ReconnectsRound>>,
}

impl ReconnectsReport {
    #[must_use]
    pub const fn new(connections: usize) -> Self {
        Self { connections, rounds: BTreeMap::new() }
    }

    pub fn add(&mut self, transport: RelayTransport, round: ReconnectsRound) {
        self.rounds.entry(transport).or_default().push(round);
    }

    pub fn rounds(&self) -> impl Iterator<Item = (RelayTransport, &[ReconnectsRound])> {
        self.rounds.iter().map(|(transport, rounds)| (*transport, rounds.as_slice()))
    }

    fn line(
        &self,
        f: &mut fmt::Formatter<'_>,
        transport: RelayTransport,
        rounds: &[ReconnectsRound],
    ) -> fmt::Result {
        let took: Vec<f64> = rounds.iter().map(|round| round.took.as_secs_f64()).collect();
        let cpu = rounds.iter().map(|round| round.cpu.as_secs_f64()).collect();
        let p99 = |of: fn(&ReconnectsRound) -> &Histogram<u64>| {
            median(rounds.iter().map(|round| microseconds(of(round).value_at_quantile(0.99))).collect())
        };
        write!(f, "| {transport} | {} | {}", self.connections, two_digits(median(took.clone())))?;
        write!(f, " | {} to {}", two_digits(least(&took)), two_digits(greatest(&took)))?;
        write!(f, " | {} | {}", two_digits(median(cpu)), whole(p99(|round| &round.calm)))?;
        let messages: u64 = rounds.iter().map(|round| round.messages).sum();
        writeln!(f, " | {} | {messages} |", whole(p99(|round| &round.meanwhile)))
    }
}

impl fmt::Display for ReconnectsReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "| relay | connections | all back after s | least to most | relay CPU s | bystanders' p99 before µs \
             | meanwhile µs | their messages, sent = received |"
        )?;
        writeln!(f, "|---|---:|---:|---|---:|---:|---:|---:|")?;
        self.rounds().try_for_each(|(transport, rounds)| self.line(f, transport, rounds))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_line_has_the_medians_of_the_rounds_and_all_messages() {
        let mut report = ReconnectsReport::new(10_000);
        for seconds in [1, 4, 2] {
            let latency = |value: u64| {
                let mut latency = Histogram::new(3).unwrap();
                latency.record(value).unwrap();
                latency
            };
            report.add(
                RelayTransport::Tls,
                ReconnectsRound {
                    took: Duration::from_secs(seconds),
                    cpu: Duration::from_millis(500 * seconds),
                    calm: latency(100 * seconds),
                    meanwhile: latency(200 * seconds),
                    messages: 500,
                },
            );
        }
        let text = report.to_string();
        assert_eq!(
            text.lines().last().unwrap(),
            "| over TLS | 10000 | 2.00 | 1.00 to 4.00 | 1.00 | 200 | 400 | 1500 |"
        );
    }
}
