//! Tests a rotation while many clients use both keys: none is refused until the overlap ends, and
//! then the old key is.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::ensure;
use crds::Agent;
use kube::api::{Patch, PatchParams};
use msg2agent_tests::custom_resources::ready_agent;
use msg2agent_tests::installed_operator::in_installed;
use msg2agent_tests::namespace::TestNamespace;
use msg2agent_tests::operator_replicas::undisturbed;
use msg2agent_tests::relay_answer::{ACCEPTED, REFUSED, answer};
use serde_json::json;

use crate::agent_state::{CHANGE_TIMEOUT, answered, token};

const OVERLAP: &str = "15s";
/// The request that asks at the very end of the overlap may arrive after it.
const LAST_REQUEST_GRACE: Duration = Duration::from_secs(2);
const CLIENTS: usize = 4;

#[tokio::test]
async fn no_request_fails_while_a_key_rotates_and_the_old_key_is_refused_after_the_overlap() {
    let _undisturbed = undisturbed().await;
    in_installed("rotation-load", async |namespace| {
        ready_agent(&namespace, "alice", json!({})).await?;
        let old = token(&namespace, "alice").await?;
        let rotation = json!({"requestedRotation": "under-load", "overlap": OVERLAP});
        let change = Patch::Merge(json!({"spec": {"credentials": {"rotation": rotation}}}));
        namespace.api::<Agent>().patch("alice", &PatchParams::default(), &change).await?;
        let answered_requests = AtomicUsize::new(0);
        let clients = (0..CLIENTS).map(|_| until_the_overlap_ends(&namespace, &old, &answered_requests));
        futures::future::try_join_all(clients).await?;
        let count = answered_requests.load(Ordering::Relaxed);
        ensure!(count > 20, "only {count} requests were sent");
        ensure!(token(&namespace, "alice").await? != old, "the Secret still has the old key");
        answered(&namespace, &old, REFUSED, CHANGE_TIMEOUT).await
    })
    .await
    .unwrap();
}

/// Uses the old key and the one in the Secret in turn until shortly before the old one ends.
async fn until_the_overlap_ends(
    namespace: &TestNamespace,
    old: &str,
    count: &AtomicUsize,
) -> anyhow::Result<()> {
    let mut ends = None;
    while ends.is_none_or(|ends| now() + LAST_REQUEST_GRACE < ends) {
        for key in [old.to_owned(), token(namespace, "alice").await?] {
            let found = answer(namespace, &key).await?;
            ensure!(found == ACCEPTED, "a key was answered with {found} during the overlap");
            count.fetch_add(1, Ordering::Relaxed);
        }
        ends = ends.or(overlap_end(namespace).await?);
    }
    Ok(())
}

/// When the replaced key ends, once the rotation is carried out.
async fn overlap_end(namespace: &TestNamespace) -> anyhow::Result<Option<Duration>> {
    let status = namespace.api::<Agent>().get("alice").await?.status.unwrap_or_default();
    let end = status.keys.iter().find_map(|key| key.not_after.clone());
    Ok(end.map(|end| Duration::from_secs(u64::try_from(end.0.as_second()).unwrap_or_default())))
}

fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}
