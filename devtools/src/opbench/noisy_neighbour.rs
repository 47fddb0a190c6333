//! Revokes keys of one Tenant while the keys of all Agents of the other Tenants rotate.

use std::fmt;
use std::time::{Duration, Instant};

use super::revoke::RevocationLatency;
use super::{Bench, revoke, roll, victims};

/// The id of the rotation.
const ROTATION: &str = "noisy-neighbour";
/// The first rotations must be on their way.
const HEAD_START_GRACE: Duration = Duration::from_secs(1);

/// How fast keys are refused while others rotate.
#[derive(Debug)]
pub struct NoisyNeighbour {
    agents: u32,
    all_rotated: Duration,
    revoked: Duration,
    revocations: RevocationLatency,
}

/// # Errors
/// Agents that do not rotate in time, or a key that stays good.
pub async fn run(bench: &Bench) -> anyhow::Result<NoisyNeighbour> {
    let plan = &bench.plan;
    let prepared = victims::prepare(bench).await?;
    let begun = Instant::now();
    let rotate = async {
        let requested = roll::request(bench, ROTATION, 0..plan.agents);
        let done = roll::carried_out(bench, ROTATION, plan.agents as usize, plan.limit);
        tokio::try_join!(requested, done)?;
        Ok(begun.elapsed())
    };
    let revoke = async {
        tokio::time::sleep(HEAD_START_GRACE).await;
        let revocations = revoke::each(bench, prepared).await?;
        anyhow::Ok((revocations, begun.elapsed()))
    };
    let (all_rotated, (revocations, revoked)) = tokio::try_join!(rotate, revoke)?;
    Ok(NoisyNeighbour { agents: plan.agents, all_rotated, revoked, revocations })
}

impl NoisyNeighbour {
    /// # Errors
    /// The promise of revocations is broken.
    pub fn check(&self) -> anyhow::Result<()> {
        self.revocations.check()
    }
}

impl fmt::Display for NoisyNeighbour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "keys of {} Agents of other Tenants rotate:", self.agents)?;
        writeln!(f, "  all rotated after    {:.2} s", self.all_rotated.as_secs_f64())?;
        writeln!(f, "  all revoked after    {:.2} s", self.revoked.as_secs_f64())?;
        write!(f, "meanwhile: {}", self.revocations)
    }
}
