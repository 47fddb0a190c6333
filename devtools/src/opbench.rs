//! Benchmarks the operator on a cluster: what many Agents cost, whether an idle operator and one
//! that takes over write nothing, and how fast a revoked API key is refused, also under faults.
//!
//! One file per scenario; [`Scenario`] lists them. All objects live in one namespace that is
//! deleted at the end.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use clap::ValueEnum;
use kube::Client;

pub mod bench_cluster;
pub mod black_hole;
pub mod converge;
pub mod exposition;
pub mod failover;
pub mod idle;
pub mod latencies;
pub mod machine;
pub mod noisy_neighbour;
pub mod objects;
pub mod operator;
pub mod platform;
pub mod readiness;
pub mod relay_metrics;
pub mod relay_session;
pub mod relist;
pub mod revoke;
pub mod roll;
pub mod trickle;
pub mod versions;
pub mod victims;
pub mod writes;

use bench_cluster::{BenchCluster, RelayAccess};
use objects::Revocation;

/// Agents of one run; their Secrets alone fill the API server's watch cache beyond that.
pub const AGENTS_MAX: u32 = 10_000;
/// Tenants of one run.
pub const TENANTS_MAX: u32 = 100;
/// Relays of one run; each is a pod with a volume.
pub const RELAYS_MAX: u32 = 10;
/// Revocations after one scenario.
pub const REVOCATIONS_MAX: u32 = 1_000;

/// A scenario after the first one, which is always [`converge`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Scenario {
    /// Nothing is done, and the operator must write nothing.
    Idle,
    /// The leading replica is killed. Its successor must change no Secret and no status, and must
    /// revoke.
    Failover,
    /// One Agent is applied every 100 ms.
    Trickle,
    /// Keys of one Tenant are revoked while the keys of all other Agents rotate.
    NoisyNeighbour,
    /// Keys are revoked at one Relay while another one swallows every packet.
    BlackHole,
    /// Keys are revoked right after the API server has ended every watch.
    Relist,
}

#[derive(Debug, Clone)]
pub struct BenchPlan {
    pub namespace: String,
    pub agents: u32,
    pub tenants: u32,
    pub relays: u32,
    /// Requests for a rotation that are under way at once.
    pub rotations_at_once: u16,
    /// Longest time until all Agents are Ready.
    pub limit: Duration,
    /// Time in which an idle operator must write nothing.
    pub idle: Duration,
    /// Agents that are applied one after the other.
    pub trickle: u32,
    /// Keys that are revoked in or after each scenario.
    pub revocations: u32,
    pub revocation: Revocation,
    pub operator: operator::Address,
    pub scenarios: Vec<Scenario>,
}

/// The cluster and the plan of one run.
pub struct Bench {
    pub cluster: BenchCluster,
    pub plan: BenchPlan,
}

impl Bench {
    #[must_use]
    pub fn new(client: Client, access: RelayAccess, plan: BenchPlan) -> Self {
        Self { cluster: BenchCluster::new(client, plan.namespace.clone(), access), plan }
    }

    /// Runs the scenarios and prints each result as soon as it is there; removes what it made, also
    /// after a failure.
    ///
    /// # Errors
    /// A scenario that does not end in time, or one that broke its promise.
    pub async fn run(&self) -> anyhow::Result<()> {
        // Only what this run made is removed: a namespace that exists ends it here.
        self.cluster.create_namespace().await?;
        let result = self.scenarios().await;
        let removed = self.cluster.remove_namespace().await;
        result.and(removed)
    }

    #[expect(clippy::print_stdout, reason = "the figures are the program's answer")]
    async fn scenarios(&self) -> anyhow::Result<()> {
        println!("{}", machine::BenchMachine::of(&self.cluster).await?);
        let converged = converge::run(self).await?;
        println!("{converged}");
        println!("{}", machine::BenchMachine::of(&self.cluster).await?.etcd);
        let mut broken = vec![converged.check().err(), self.revocations("convergence").await?];
        for scenario in &self.plan.scenarios {
            broken.extend(self.scenario(*scenario).await.with_context(|| format!("{scenario:?}"))?);
        }
        let broken: Vec<_> = broken.into_iter().flatten().map(|error| format!("{error:#}")).collect();
        ensure!(broken.is_empty(), "broken promises:\n- {}", broken.join("\n- "));
        Ok(())
    }

    /// The promises that were broken.
    #[expect(clippy::print_stdout, reason = "the figures are the program's answer")]
    async fn scenario(&self, scenario: Scenario) -> anyhow::Result<Vec<Option<anyhow::Error>>> {
        Ok(match scenario {
            Scenario::Idle => {
                let idle = idle::run(self).await?;
                println!("{idle}");
                vec![idle.check().err(), self.revocations("idling").await?]
            }
            Scenario::Failover => {
                let taken = failover::run(self).await?;
                println!("{taken}");
                let working = failover::until_it_works(self).await?;
                println!("{working}");
                vec![taken.check().err(), working.check().err()]
            }
            Scenario::Trickle => {
                println!("{}", trickle::run(self).await?);
                vec![self.revocations("the trickle").await?]
            }
            Scenario::NoisyNeighbour => {
                let rolled = noisy_neighbour::run(self).await?;
                println!("{rolled}");
                vec![rolled.check().err()]
            }
            Scenario::BlackHole => {
                let swallowed = black_hole::run(self).await?;
                println!("{swallowed}");
                vec![swallowed.check().err()]
            }
            Scenario::Relist => {
                let listed = relist::run(self).await?;
                println!("{listed}");
                vec![listed.check().err()]
            }
        })
    }

    /// Revokes keys while nothing else happens.
    #[expect(clippy::print_stdout, reason = "the figures are the program's answer")]
    async fn revocations(&self, after: &str) -> anyhow::Result<Option<anyhow::Error>> {
        if self.plan.revocations == 0 {
            return Ok(None);
        }
        let victims = victims::prepare(self).await?;
        let refused = revoke::each(self, victims).await?;
        println!("after {after}: {refused}");
        Ok(refused.check().err())
    }
}
