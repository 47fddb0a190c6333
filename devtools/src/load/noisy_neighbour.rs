//! Measures what a pair of agents notices while an attacker tries to take everything of one
//! resource of the relay: as one key, as one tenant, or as one address.
//!
//! Reading order: [`scenario`] (what is taken, and by whom), [`site`] (the relay and its agents),
//! [`attack`] (the attacker's thread), [`bystander`] (the pair), [`report`] (the table). Loopback
//! only.

pub mod answers;
pub mod attack;
pub mod bystander;
mod flood;
mod half_open;
mod held_connections;
mod registrations;
pub mod report;
pub mod scenario;
pub mod site;

use std::time::Duration;

use anyhow::{Context as _, ensure};

use super::round::{Round, RoundTimes};
use super::server::Connected;
use answers::Answers;
use attack::Attack;
use report::NoisyNeighbourReport;
use scenario::AttackScenario;
use site::AttackSite;

use crate::open_files;

/// Open files of the attacker: its share of the relay's connections, and those under way.
const OPEN_FILES: u64 = 4_096;
/// Time the attacker gets to connect its agents.
const START_TIMEOUT: Duration = Duration::from_secs(60);
/// Time after the measurement until the limit is met, if that takes longer.
const LIMIT_TIMEOUT: Duration = Duration::from_secs(120);

/// What a run measures.
#[derive(Debug, Clone)]
pub struct NoisyNeighbourPlan {
    pub scenarios: Vec<AttackScenario>,
    pub rounds: u16,
    pub times: RoundTimes,
    /// The relay on CPU 0; bystanders and attacker on CPU 1, where the attacker runs only while the
    /// bystanders wait.
    pub pinned: bool,
}

/// The pair alone, the pair beside the attacker, and what the relay answered the attacker.
#[derive(Debug)]
pub struct AttackRound {
    pub alone: Round,
    pub attacked: Round,
    pub answers: Answers,
}

/// Runs every scenario in each round, each right after a measurement without an attacker.
///
/// # Errors
/// The relay does not start, the pair loses a message or gets one twice, or the attacker was not
/// refused by its limit.
pub async fn run(plan: &NoisyNeighbourPlan) -> anyhow::Result<NoisyNeighbourReport> {
    open_files::allow(OPEN_FILES)?;
    let site = AttackSite::start(plan).await?;
    let mut report = NoisyNeighbourReport::default();
    for number in 0..plan.rounds {
        for scenario in &plan.scenarios {
            let round = round(&site, *scenario, number, plan)
                .await
                .with_context(|| format!("{scenario}, round {}", number + 1))?;
            tracing::info!(%scenario, round = number + 1, answers = %round.answers, "round done");
            report.add(*scenario, round);
        }
    }
    Ok(report)
}

async fn round(
    site: &AttackSite,
    scenario: AttackScenario,
    number: u16,
    plan: &NoisyNeighbourPlan,
) -> anyhow::Result<AttackRound> {
    let alone = bystander::measure(site.bystanders().await?, site.pid()?, plan.times).await?;
    let pair = site.bystanders().await?;
    let attack = Attack::start(site.target(scenario, number), scenario.resource, plan.pinned)?;
    let attacked = beside(&attack, scenario, pair, site.pid()?, plan.times).await;
    let answers = attack.end()?;
    let attacked = attacked.with_context(|| format!("beside the attacker, who got {answers}"))?;
    ensure!(scenario.is_limited(&answers), "the attacker has not met its limit: {answers}");
    site.quiet().await?;
    Ok(AttackRound { alone, attacked, answers })
}

/// Measures the pair while the attack runs, which goes on until its limit is met.
async fn beside(
    attack: &Attack,
    scenario: AttackScenario,
    pair: Connected,
    relay: u32,
    times: RoundTimes,
) -> anyhow::Result<Round> {
    let begun = attack.until(|answers| answers.accepted() + answers.refused() > 0);
    tokio::time::timeout(START_TIMEOUT, begun).await.context("the relay does not answer the attacker")?;
    let attacked = bystander::measure(pair, relay, times).await?;
    let met = attack.until(|answers| scenario.is_limited(answers));
    tokio::time::timeout(LIMIT_TIMEOUT, met)
        .await
        .with_context(|| format!("none of {:?}", scenario.limits()))?;
    Ok(attacked)
}
