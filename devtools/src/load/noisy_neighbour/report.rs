//! Prints the bystanders' latency alone and beside each attacker as a Markdown table.

use std::collections::BTreeMap;
use std::fmt;

use super::AttackRound;
use super::answers::Answers;
use super::scenario::AttackScenario;
use crate::load::report::{greatest, least, median, microseconds, two_digits, whole};
use crate::load::round::Round;

/// How many times the p99 alone the p99 beside an attacker may be.
pub const P99_RATIO_MAX: f64 = 3.0;

const P99: f64 = 0.99;

#[derive(Debug, Default)]
pub struct NoisyNeighbourReport {
    rounds: BTreeMap<AttackScenario, Vec<AttackRound>>,
}

impl NoisyNeighbourReport {
    pub fn add(&mut self, scenario: AttackScenario, round: AttackRound) {
        self.rounds.entry(scenario).or_default().push(round);
    }

    pub fn rounds(&self) -> impl Iterator<Item = (AttackScenario, &[AttackRound])> {
        self.rounds.iter().map(|(scenario, rounds)| (*scenario, rounds.as_slice()))
    }

    /// The scenarios whose p99 beside the attacker is, by the median of its rounds, more than
    /// [`P99_RATIO_MAX`] times that alone.
    #[must_use]
    pub fn exceeded(&self) -> Vec<AttackScenario> {
        let alone = self.p99_alone().unwrap_or_default();
        let over = self.rounds().filter(|(_, rounds)| {
            let attacked = median_of(*rounds, |round| &round.attacked, P99);
            attacked.is_some_and(|attacked| attacked > P99_RATIO_MAX * alone)
        });
        over.map(|(scenario, _)| scenario).collect()
    }

    /// The p99 without an attacker: the median of every round of the run, because the relay was in
    /// the same state each time, and a single round has some seven messages above its p99.
    fn p99_alone(&self) -> Option<f64> {
        median_of(self.rounds.values().flatten(), |round| &round.alone, P99)
    }
}

/// The quantile of one measurement, as the median of these rounds.
fn median_of<'a>(rounds: impl IntoIterator<Item = &'a AttackRound>, part: Part, q: f64) -> Option<f64> {
    median(rounds.into_iter().map(|round| quantile(part(round), q)).collect())
}

fn quantile(round: &Round, q: f64) -> f64 {
    microseconds(round.latency.value_at_quantile(q))
}

impl fmt::Display for NoisyNeighbourReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "| attacked | as | p50 alone µs | p99 alone µs | p50 attacked µs | p99 attacked µs | p99 by p99 \
             | least to most | round trips | the relay's answers to the attacker |"
        )?;
        writeln!(f, "|---|---|---:|---:|---:|---:|---:|---|---:|---|")?;
        let alone = self.p99_alone();
        self.rounds().try_for_each(|(scenario, rounds)| line(f, scenario, rounds, alone))?;
        writeln!(f, "\np99 without an attacker, median of all rounds: {} µs", whole(alone))
    }
}

/// One measurement of a round.
type Part = fn(&AttackRound) -> &Round;

fn line(
    f: &mut fmt::Formatter<'_>,
    scenario: AttackScenario,
    rounds: &[AttackRound],
    p99_alone: Option<f64>,
) -> fmt::Result {
    let (alone, attacked): (Part, Part) = (|round| &round.alone, |round| &round.attacked);
    write!(f, "| {scenario}")?;
    for part in [alone, attacked] {
        let shown = |q| whole(median_of(rounds, part, q));
        write!(f, " | {} | {}", shown(0.5), shown(P99))?;
    }
    let ratio = |p99: f64| Some(p99 / p99_alone?);
    let ratios: Vec<f64> = rounds.iter().filter_map(|round| ratio(quantile(attacked(round), P99))).collect();
    write!(
        f,
        " | {} | {} to {}",
        two_digits(median(ratios.clone())),
        two_digits(least(&ratios)),
        two_digits(greatest(&ratios))
    )?;
    let trips: u64 = rounds.iter().map(|round| round.attacked.total).sum();
    let mut answers = Answers::default();
    rounds.iter().for_each(|round| answers.add(&round.answers));
    writeln!(f, " | {trips} | {answers} |")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::scenario::{AttackedResource, AttackerScope};
    use super::*;

    fn round(micros: u64) -> Round {
        let mut latency = hdrhistogram::Histogram::new(3).unwrap();
        latency.record(micros).unwrap();
        let second = Duration::from_secs(1);
        Round { messages: 1, wall: second, cpu: second, latency, total: 1, stored: 0 }
    }

    #[test]
    fn a_scenario_is_exceeded_by_the_median_of_its_rounds_and_of_all_rounds_without_an_attacker() {
        let (mut report, scope) = (NoisyNeighbourReport::default(), AttackerScope::Key);
        for (resource, alone, attacked) in [
            (AttackedResource::Disk, [100, 100, 20], [100, 290, 900]),
            (AttackedResource::Memory, [100, 200, 400], [100, 310, 310]),
        ] {
            for (alone, attacked) in alone.into_iter().zip(attacked) {
                let (alone, attacked) = (round(alone), round(attacked));
                let round = AttackRound { alone, attacked, answers: Answers::default() };
                report.add(AttackScenario { resource, scope }, round);
            }
        }
        assert_eq!(report.exceeded(), [AttackScenario { resource: AttackedResource::Memory, scope }]);
        assert!(report.to_string().contains("median of all rounds: 100 µs"), "{report}");
    }
}
