//! Prints the bystanders' latency alone and beside each attacker as a Markdown table.

use std::collections::BTreeMap;
use std::fmt;

use hdrhistogram::Histogram;

use super::AttackRound;
use super::answers::Answers;
use super::scenario::AttackScenario;
use crate::load::report::{greatest, least, microseconds, two_digits, whole};
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

    /// The scenarios whose p99 beside the attacker is more than [`P99_RATIO_MAX`] times that alone.
    #[must_use]
    pub fn exceeded(&self) -> Vec<AttackScenario> {
        let alone = self.p99_alone().unwrap_or_default();
        let over = self.rounds().filter(|(_, rounds)| {
            let attacked = merged(*rounds, |round| &round.attacked);
            quantile(attacked.as_ref(), P99).is_some_and(|attacked| attacked > P99_RATIO_MAX * alone)
        });
        over.map(|(scenario, _)| scenario).collect()
    }

    /// The p99 of all messages that were sent without an attacker. It is one figure for the run: the
    /// relay was in the same state each time, and one round has seven messages above its p99.
    fn p99_alone(&self) -> Option<f64> {
        let rounds = self.rounds.values().flatten();
        quantile(merged(rounds, |round| &round.alone).as_ref(), P99)
    }
}

/// The latencies of these measurements together.
fn merged<'a>(rounds: impl IntoIterator<Item = &'a AttackRound>, part: Part) -> Option<Histogram<u64>> {
    let mut rounds = rounds.into_iter();
    let mut all = part(rounds.next()?).latency.clone();
    for round in rounds {
        // They all have the same bounds.
        let _ = all.add(&part(round).latency);
    }
    Some(all)
}

fn quantile(latency: Option<&Histogram<u64>>, q: f64) -> Option<f64> {
    latency.map(|latency| microseconds(latency.value_at_quantile(q)))
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
        writeln!(f, "\np99 of all messages without an attacker: {} µs", whole(alone))
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
    let (alone, attacked) = (merged(rounds, |round| &round.alone), merged(rounds, |round| &round.attacked));
    write!(f, "| {scenario}")?;
    for latency in [&alone, &attacked] {
        let shown = |q| whole(quantile(latency.as_ref(), q));
        write!(f, " | {} | {}", shown(0.5), shown(P99))?;
    }
    let ratio = |latency| Some(quantile(Some(latency), P99)? / p99_alone?);
    let ratios: Vec<f64> = rounds.iter().filter_map(|round| ratio(&round.attacked.latency)).collect();
    write!(
        f,
        " | {} | {} to {}",
        two_digits(attacked.as_ref().and_then(ratio)),
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

    /// A round of a hundred messages, of which this many took this long and the others 100 µs.
    fn round((slow, micros): (u64, u64)) -> Round {
        let mut latency = Histogram::new(3).unwrap();
        latency.record_n(100, 100 - slow).unwrap();
        latency.record_n(micros, slow).unwrap();
        let second = Duration::from_secs(1);
        Round { messages: 100, wall: second, cpu: second, latency, total: 100, stored: 0 }
    }

    #[test]
    fn a_scenario_is_exceeded_by_the_p99_of_all_its_messages_and_all_without_an_attacker() {
        let (mut report, scope) = (NoisyNeighbourReport::default(), AttackerScope::Key);
        let alone = [(0, 100), (5, 200), (0, 100)];
        for (resource, attacked) in [
            (AttackedResource::Disk, [(2, 900), (0, 100), (0, 100)]),
            (AttackedResource::Memory, [(4, 900), (1, 900), (0, 100)]),
        ] {
            for (alone, attacked) in alone.into_iter().zip(attacked) {
                let (alone, attacked) = (round(alone), round(attacked));
                let round = AttackRound { alone, attacked, answers: Answers::default() };
                report.add(AttackScenario { resource, scope }, round);
            }
        }
        assert_eq!(report.exceeded(), [AttackScenario { resource: AttackedResource::Memory, scope }]);
        assert!(report.to_string().contains("without an attacker: 200 µs"), "{report}");
    }
}
