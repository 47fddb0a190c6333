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

    /// The scenarios whose p99 beside the attacker is, by the median of the rounds, more than
    /// [`P99_RATIO_MAX`] times that alone.
    #[must_use]
    pub fn exceeded(&self) -> Vec<AttackScenario> {
        let over = self
            .rounds()
            .filter(|(_, rounds)| median(ratios(rounds)).is_some_and(|ratio| ratio > P99_RATIO_MAX));
        over.map(|(scenario, _)| scenario).collect()
    }
}

/// The p99 beside the attacker by that alone, of each round.
fn ratios(rounds: &[AttackRound]) -> Vec<f64> {
    rounds
        .iter()
        .map(|round| quantile(&round.attacked, 0.99) / quantile(&round.alone, 0.99).max(1.0))
        .collect()
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
        self.rounds().try_for_each(|(scenario, rounds)| line(f, scenario, rounds))
    }
}

/// One measurement of a round.
type Part = fn(&AttackRound) -> &Round;

fn line(f: &mut fmt::Formatter<'_>, scenario: AttackScenario, rounds: &[AttackRound]) -> fmt::Result {
    let shown = |part: Part, q| whole(median(rounds.iter().map(|round| quantile(part(round), q)).collect()));
    let (alone, attacked): (Part, Part) = (|round| &round.alone, |round| &round.attacked);
    write!(f, "| {scenario} | {} | {}", shown(alone, 0.5), shown(alone, 0.99))?;
    write!(f, " | {} | {}", shown(attacked, 0.5), shown(attacked, 0.99))?;
    let ratios = ratios(rounds);
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
    fn a_scenario_is_exceeded_by_the_median_of_its_rounds() {
        let (mut report, scope) = (NoisyNeighbourReport::default(), AttackerScope::Key);
        for (resource, attacked) in
            [(AttackedResource::Disk, [100, 290, 900]), (AttackedResource::Memory, [100, 310, 310])]
        {
            for micros in attacked {
                let round =
                    AttackRound { alone: round(100), attacked: round(micros), answers: Answers::default() };
                report.add(AttackScenario { resource, scope }, round);
            }
        }
        assert_eq!(report.exceeded(), [AttackScenario { resource: AttackedResource::Memory, scope }]);
    }
}
