//! Prints what idle connections cost as a Markdown table.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use super::{IdleRound, IdleSubject};
use crate::load::report::{greatest, least, median, two_digits, whole};

#[derive(Debug)]
pub struct IdleReport {
    connections: usize,
    rounds: BTreeMap<IdleSubject, Vec<IdleRound>>,
    left_out: BTreeMap<IdleSubject, String>,
}

impl IdleReport {
    #[must_use]
    pub const fn new(connections: usize) -> Self {
        Self { connections, rounds: BTreeMap::new(), left_out: BTreeMap::new() }
    }

    pub fn add(&mut self, subject: IdleSubject, round: IdleRound) {
        self.rounds.entry(subject).or_default().push(round);
    }

    /// This machine cannot run the subject.
    pub fn leave_out(&mut self, subject: IdleSubject, reason: String) {
        self.left_out.insert(subject, reason);
    }

    pub fn rounds(&self) -> impl Iterator<Item = (IdleSubject, &[IdleRound])> {
        self.rounds.iter().map(|(subject, rounds)| (*subject, rounds.as_slice()))
    }

    fn line(&self, f: &mut fmt::Formatter<'_>, subject: IdleSubject, rounds: &[IdleRound]) -> fmt::Result {
        let each = |value: fn(&IdleRound) -> f64| -> Vec<f64> { rounds.iter().map(value).collect() };
        let per_connection = |values: Vec<f64>| -> Vec<f64> {
            values.into_iter().map(|value| value / count(self.connections)).collect()
        };
        let open = per_connection(each(|round| kibibytes(round.open, round.before)));
        let kept = per_connection(each(|round| kibibytes(round.after, round.before)));
        let opening = per_connection(each(|round| microseconds(round.opening_cpu)));
        let idle = each(|round| microseconds(round.idle_cpu) / 1_000.0 / round.idle.as_secs_f64());
        write!(f, "| {subject} | {} | {}", self.connections, two_digits(median(open.clone())))?;
        write!(f, " | {} to {}", two_digits(least(&open)), two_digits(greatest(&open)))?;
        write!(f, " | {} | {}", two_digits(median(kept)), whole(median(opening)))?;
        writeln!(f, " | {} |", two_digits(median(idle)))
    }
}

impl fmt::Display for IdleReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "| server | idle connections | KiB per connection | least to most | KiB kept after its end \
             | server CPU to open one, µs | server CPU while idle, ms per s |"
        )?;
        writeln!(f, "|---|---:|---:|---|---:|---:|---:|")?;
        self.rounds().try_for_each(|(subject, rounds)| self.line(f, subject, rounds))?;
        self.left_out.iter().try_for_each(|(subject, why)| writeln!(f, "| {subject} | not measured: {why} |"))
    }
}

impl fmt::Display for IdleSubject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nats => "nats",
            Self::NatsWebSocket => "nats over WebSocket",
            Self::Relay => "relay",
            Self::RelayTls => "relay over TLS",
        })
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
fn count(connections: usize) -> f64 {
    connections.max(1) as f64
}

/// How much more than `before`, which may be less.
#[expect(clippy::cast_precision_loss, reason = "memory is far below 2^52 bytes")]
fn kibibytes(now: u64, before: u64) -> f64 {
    (now as f64 - before as f64) / 1024.0
}

fn microseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_what_was_added_per_connection() {
        let mut report = IdleReport::new(1_000);
        for added in [3 << 20, 2 << 20, 5 << 20] {
            let (before, second) = (10 << 20, Duration::from_secs(1));
            let after = before - (1 << 20);
            let (opening_cpu, idle_cpu) = (Duration::from_millis(50), Duration::from_millis(20));
            let open = before + added;
            report.add(
                IdleSubject::Relay,
                IdleRound { before, open, after, opening_cpu, idle_cpu, idle: second * 2 },
            );
        }
        let text = report.to_string();
        assert_eq!(
            text.lines().last().unwrap(),
            "| relay | 1000 | 3.07 | 2.05 to 5.12 | -1.02 | 50 | 10.00 |"
        );
    }
}
