//! Prints the latencies of an open loop as a Markdown table, counted from the scheduled times.

use std::fmt;

use super::plan::LoadSubject;
use super::report::{LoadReport, greatest, least, median, microseconds, whole};
use super::round::Round;

/// The rounds of a run whose messages were sent at scheduled times.
pub struct LatencyReport<'a>(pub &'a LoadReport);

impl fmt::Display for LatencyReport<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "| server | p50 µs | p99 µs | least to most | p99.9 µs | messages per second \
             | server CPU % | sent = received | answered `stored` |"
        )?;
        writeln!(f, "|---|---:|---:|---|---:|---:|---:|---:|---:|")?;
        self.0.rounds().try_for_each(|(_, subject, rounds)| line(f, subject, rounds))?;
        self.0
            .left_out()
            .try_for_each(|(subject, reason)| writeln!(f, "| {subject} | not measured: {reason} |"))
    }
}

fn line(f: &mut fmt::Formatter<'_>, subject: LoadSubject, rounds: &[Round]) -> fmt::Result {
    let quantiles = |q| -> Vec<f64> {
        rounds.iter().map(|round| microseconds(round.latency.value_at_quantile(q))).collect()
    };
    let p99 = quantiles(0.99);
    write!(f, "| {subject} | {} | {}", whole(median(quantiles(0.5))), whole(median(p99.clone())))?;
    write!(
        f,
        " | {} to {} | {}",
        whole(least(&p99)),
        whole(greatest(&p99)),
        whole(median(quantiles(0.999)))
    )?;
    let rate = median(rounds.iter().map(Round::per_wall_second).collect());
    let busy = rounds.iter().map(|round| 100.0 * round.cpu.as_secs_f64() / round.wall.as_secs_f64());
    write!(f, " | {} | {}", whole(rate), whole(median(busy.collect())))?;
    let total: u64 = rounds.iter().map(|round| round.total).sum();
    let stored: u64 = rounds.iter().map(|round| round.stored).sum();
    writeln!(f, " | {total} | {stored} |")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::load::plan::Workload;

    #[test]
    fn a_line_has_the_medians_of_the_rounds() {
        let mut report = LoadReport::default();
        for p50 in [100, 300, 200] {
            let mut latency = hdrhistogram::Histogram::new(3).unwrap();
            latency.record_n(p50, 995).unwrap();
            latency.record_n(1_000 + p50, 5).unwrap();
            let (wall, cpu) = (Duration::from_secs(2), Duration::from_millis(500));
            let round = Round { messages: 1_000, wall, cpu, latency, total: 1_010, stored: 1 };
            report.add(Workload { pairs: 16, window: 256 }, LoadSubject::Nats, round);
        }
        let text = LatencyReport(&report).to_string();
        let line = text.lines().last().unwrap();
        assert_eq!(line, "| nats | 200 | 200 | 100 to 300 | 1200 | 500 | 25 | 3030 | 3 |");
    }
}
