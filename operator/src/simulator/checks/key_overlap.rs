//! The invariant of keys that were replaced: each is valid until its overlap ends.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crds::label;
use jiff::Timestamp;
use protocol::api_key::{ApiKey, KeyHash};
use serde_json::Value;

use super::{Simulation, is_of_operator};
use crate::issued_keys::RetiringKey;
use crate::secret;
use crate::simulator::api_server::model_kind::ModelKind;
use crate::simulator::api_server::object_store::ObjectChange;
use crate::simulator::model_clock::ModelClock;

/// Longest time between the decision that an overlap has ended and the arrival of the write.
const WRITE_GRACE: Duration = Duration::from_secs(60);
/// As many replaced keys are kept. More rotations end the overlap of the oldest one early.
const RETIRING_MAX: usize = 2;

/// When the last overlap of all Secrets ends.
pub(crate) fn last_overlap_end(simulation: &Simulation) -> Option<Timestamp> {
    let last = simulation.cluster.server.with(|store| {
        let secrets = store.of_kind(ModelKind::named("Secret"));
        secrets.flat_map(|(_, secret)| retiring(secret)).map(|key| key.not_after).max()
    });
    last.and_then(|last| Timestamp::from_second(i64::try_from(last).ok()?).ok())
}

/// Secrets from which the operator removed a key whose overlap had not ended. A Secret that gets
/// another owner is not judged: the keys of a deleted Agent are revoked.
pub(super) fn early_ends(changes: &[ObjectChange], clock: &ModelClock) -> Vec<String> {
    let (mut agents, mut found) = (BTreeMap::<_, &Arc<Value>>::new(), Vec::new());
    for change in changes {
        let Some(after) = &change.after else { continue };
        if change.id.kind.kind == "Agent" {
            agents.insert((&change.id.namespace, change.id.name.as_str()), after);
        }
        let Some(before) = &change.before else { continue };
        let is_judged = change.id.kind.kind == "Secret"
            && is_of_operator(change)
            && before["metadata"]["ownerReferences"] == after["metadata"]["ownerReferences"];
        if !is_judged || retiring(after).len() >= RETIRING_MAX {
            continue;
        }
        let now = clock.latest(change.at, WRITE_GRACE);
        let retained = retiring(after).into_iter().map(|key| key.sha256);
        let kept: Vec<KeyHash> = active(after).into_iter().chain(retained).collect();
        let lasts = |key: &RetiringKey| i64::try_from(key.not_after).is_ok_and(|end| end > now.as_second());
        let early = retiring(before).into_iter().filter(lasts).map(|key| key.sha256);
        let agent = after["metadata"]["labels"][label::AGENT].as_str().unwrap_or_default();
        let agent = agents.get(&(&change.id.namespace, agent));
        let has_overlap =
            agent.is_some_and(|agent| agent["spec"]["credentials"]["rotation"]["overlap"] != "0s");
        let replaced = active(before).filter(|_| has_overlap);
        let lost = early.chain(replaced).filter(|key| !kept.contains(key));
        found.extend(lost.map(|key| format!("{} lost the key {}", change.id, key.key_id())));
    }
    found
}

/// The keys in a Secret whose overlap lasts.
fn retiring(secret: &Value) -> Vec<RetiringKey> {
    let text = secret["metadata"]["annotations"][label::RETIRING].as_str();
    text.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
}

/// The key in a Secret that clients use.
fn active(found: &Value) -> Option<KeyHash> {
    let secret = serde_json::from_value(found.clone()).ok()?;
    secret::text(&secret, "token")?.parse::<ApiKey>().ok().map(|key| key.hash())
}
