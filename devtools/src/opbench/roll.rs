//! Gives many Agents a new key at once, which is the most work that one change makes.

use std::time::Duration;

use futures::{StreamExt as _, TryStreamExt as _, stream};
use kube::api::{Patch, PatchParams};

use super::objects::{self, Kind};
use super::{Bench, converge, readiness};

/// Requests under way at once where nothing else is asked for. On two cores the API server carries
/// out as many per second with 8 as with 64, and with 64 everybody's requests and events wait.
pub const ROTATIONS_AT_ONCE: u16 = 8;

/// Requests a rotation of each of the Agents.
///
/// # Errors
/// A request that is refused.
pub async fn request(bench: &Bench, id: &str, agents: impl Iterator<Item = u32>) -> anyhow::Result<()> {
    let api = bench.cluster.objects(Kind::Agent);
    let change = Patch::Merge(objects::rotation(id));
    let requests = agents.map(|number| {
        let (api, change) = (&api, &change);
        async move {
            let name = objects::agent_name(converge::GROUP, number);
            api.patch(&name, &PatchParams::default(), change).await.map(drop)
        }
    });
    Ok(stream::iter(requests).buffer_unordered(bench.plan.rotations_at_once.into()).try_collect().await?)
}

/// Waits until the rotation is carried out for `count` Agents.
///
/// # Errors
/// It is not in time.
pub async fn carried_out(bench: &Bench, id: &str, count: usize, limit: Duration) -> anyhow::Result<()> {
    let agents = bench.cluster.objects(Kind::Agent);
    let has_rotated = |agent: &_| objects::handled_rotation(agent) == Some(id);
    readiness::all_reach(agents, Some(converge::GROUP), count, limit, has_rotated).await.map(drop)
}
