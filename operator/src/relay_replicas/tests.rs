//! Tests of the record of a relay against a model relay with faults.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use protocol::admin::{AgentSpec, DeletionPolicy, Owner, TenantSpec};
use serde::Serialize;
use zeroize::Zeroizing;

use super::*;
use crate::lease::WriteFence;
use crate::object_key::Kind;
use crate::queue::WorkerKind;
use crate::relay_api::Writer;
use crate::simulator::model_relay::CAPABILITIES;
use model_relay::{Fault, ModelRelay, address};

mod model_relay;
mod record;

const ACME: &str = "/admin/v1/tenants/acme";
const ALICE: &str = "/admin/v1/tenants/acme/agents/alice";
const BOB: &str = "/admin/v1/tenants/acme/agents/bob";

struct Bench {
    model: Arc<ModelRelay>,
    replicas: RelayReplicas,
    leadership: Arc<Leadership>,
    queue: Arc<Queue>,
    relay: NamespacedName,
}

impl Bench {
    fn new() -> Self {
        Self::with(ModelRelay::new())
    }

    fn with(model: ModelRelay) -> Self {
        let fence = WriteFence::default();
        fence.allow_until(Instant::now() + Duration::from_secs(365 * 24 * 3600));
        let (model, leadership) = (Arc::new(model), Arc::new(Leadership::new(fence)));
        leadership.set_term(Some("1700000000.1".parse().unwrap()));
        model.write_by_hand(ACME, kubernetes("t"), serde_json::json!({"suspended": true}));
        let queue = Arc::new(Queue::default());
        let api: Arc<dyn RelayApi> = Arc::<ModelRelay>::clone(&model);
        let replicas = RelayReplicas::new(api, Arc::clone(&leadership), Arc::clone(&queue));
        Self { model, replicas, leadership, queue, relay: NamespacedName::new("platform", "main") }
    }

    fn reach(&self) {
        let access = RelayAccess {
            token: Zeroizing::new("token".into()),
            authorities: String::new(),
            endpoint_authorities: String::new(),
            server_name: "main.platform.svc".into(),
        };
        self.replicas.set_access(&self.relay, access);
    }

    async fn contact(&self, last: u8) -> Contact {
        self.replicas.contact(&self.relay, &BTreeSet::from([address(last)])).await.unwrap()
    }

    async fn list(&self) -> Option<Listing> {
        self.replicas.list(&self.relay).await.unwrap()
    }

    /// A relay that is reached, contacted and listed.
    async fn ready() -> Self {
        let bench = Self::new();
        bench.reach();
        bench.contact(1).await;
        bench.list().await;
        bench
    }

    async fn write(
        &self,
        path: &str,
        uid: &str,
        body: &(impl Serialize + Sync),
    ) -> Result<Observed<Progress>, RelayError> {
        self.replicas.write(&self.relay, path, &self.replicas.writer(uid), body).await
    }

    fn is_acknowledged(&self, path: &str, uid: &str) -> bool {
        self.replicas.is_acknowledged(&self.relay, path, uid)
    }

    fn holder(&self, path: &str) -> Observed<Option<Owner>> {
        self.replicas.holder(&self.relay, path)
    }
}

fn tenant(name: &str) -> TenantSpec {
    TenantSpec { display_name: name.into(), ..TenantSpec::default() }
}

fn agent(suspended: bool) -> AgentSpec {
    AgentSpec { suspended, ..AgentSpec::default() }
}

fn kubernetes(uid: &str) -> Owner {
    Owner::Kubernetes(uid.into())
}

const COMPLETE: Observed<Progress> = Observed::Known(Progress { acknowledged: 1, ready: 1 });

#[tokio::test]
async fn nothing_is_written_to_a_relay_that_was_not_contacted() {
    let bench = Bench::new();
    assert_eq!(bench.write(ACME, "t", &tenant("a")).await.unwrap(), Observed::Unknown);
    bench.reach();
    assert_eq!(bench.write(ACME, "t", &tenant("a")).await.unwrap(), Observed::Unknown);
    assert_eq!(bench.holder(ACME), Observed::Unknown);
    assert_eq!(bench.model.take_requests(), Vec::<String>::new());
}

#[tokio::test]
async fn the_same_content_is_written_once() {
    let bench = Bench::ready().await;
    assert_eq!(bench.write(ACME, "t", &tenant("a")).await.unwrap(), COMPLETE);
    assert_eq!(bench.write(ACME, "t", &tenant("a")).await.unwrap(), COMPLETE);
    assert_eq!(bench.model.take_requests(), [format!("PUT {ACME}")]);
    assert_eq!(bench.holder(ACME), Observed::Known(Some(kubernetes("t"))));
}

#[tokio::test]
async fn a_pod_with_another_address_and_the_same_store_is_written_nothing() {
    let bench = Bench::ready().await;
    bench.write(ACME, "t", &tenant("a")).await.unwrap();
    bench.model.take_requests();
    assert!(!bench.contact(2).await.is_fresh);
    assert_eq!(bench.write(ACME, "t", &tenant("a")).await.unwrap(), COMPLETE);
    assert_eq!(bench.model.take_requests(), Vec::<String>::new());
}

#[tokio::test]
async fn a_new_leader_that_lists_the_relay_writes_nothing_again() {
    let bench = Bench::ready().await;
    bench.write(ACME, "t", &tenant("a")).await.unwrap();
    bench.write(ALICE, "alice", &agent(false)).await.unwrap();
    bench.model.take_requests();
    bench.leadership.set_term(Some("1700000000.2".parse().unwrap()));
    assert!(!bench.is_acknowledged(ACME, "t"), "what an earlier term knew is forgotten");
    bench.reach();
    bench.contact(1).await;
    assert!(bench.list().await.unwrap().is_first);
    assert_eq!(bench.write(ACME, "t", &tenant("a")).await.unwrap(), COMPLETE);
    assert_eq!(bench.write(ALICE, "alice", &agent(false)).await.unwrap(), COMPLETE);
    assert_eq!(bench.model.take_requests(), Vec::<String>::new());
}

/// Otherwise each attempt would make the entry unknown to everybody else who needs to know it.
#[tokio::test]
async fn what_the_listing_shows_of_somebody_else_is_not_written_and_stays_known() {
    for owner in [Owner::CommandLine, Owner::Registration, kubernetes("other")] {
        let bench = Bench::new();
        bench.model.write_by_hand(ACME, owner.clone(), serde_json::json!({"suspended": false}));
        bench.reach();
        bench.contact(1).await;
        bench.list().await;
        bench.model.take_requests();
        let refused = bench.write(ACME, "t", &tenant("a")).await.unwrap_err();
        assert_eq!(refused.reason(), Some(protocol::Reason::OwnerConflict));
        assert_eq!(bench.holder(ACME), Observed::Known(Some(owner.clone())));
        assert!(!bench.is_acknowledged(ACME, "t"));
        assert_eq!(bench.model.take_requests(), Vec::<String>::new());
        let heir = Writer { former_owner: Some(owner), ..bench.replicas.writer("t") };
        bench.replicas.write(&bench.relay, ACME, &heir, &tenant("a")).await.unwrap();
        assert!(bench.is_acknowledged(ACME, "t"), "it was handed over");
    }
}

/// The answer to a suspension is lost although the relay applied it, and the former content is
/// declared again.
#[tokio::test]
async fn a_write_whose_answer_was_lost_is_never_taken_for_what_was_there_before() {
    let bench = Bench::ready().await;
    bench.write(ALICE, "alice", &agent(true)).await.unwrap();
    *bench.model.fault.lock().unwrap() = Fault::LostAfter;
    bench.write(ALICE, "alice", &agent(false)).await.unwrap_err();
    assert!(!bench.is_acknowledged(ALICE, "alice"));
    assert_eq!(
        bench.queue.next(WorkerKind::General).await.key,
        bench.relay.clone().key(Kind::Relay),
        "the relay is asked again"
    );
    bench.contact(1).await;
    assert_eq!(bench.write(ALICE, "alice", &agent(true)).await.unwrap(), COMPLETE);
    assert!(bench.model.agent("alice").unwrap().spec.suspended);
}

#[tokio::test(start_paused = true)]
async fn a_write_that_was_dropped_leaves_the_entry_unknown() {
    let bench = Bench::ready().await;
    bench.write(ACME, "t", &tenant("a")).await.unwrap();
    *bench.model.fault.lock().unwrap() = Fault::Hangs;
    let (renamed, limit) = (tenant("b"), Duration::from_secs(1));
    let dropped = tokio::time::timeout(limit, bench.write(ACME, "t", &renamed)).await;
    assert!(dropped.is_err());
    assert!(!bench.is_acknowledged(ACME, "t"));
    assert_eq!(bench.holder(ACME), Observed::Unknown);
    bench.write(ACME, "t", &tenant("a")).await.unwrap();
    let volume = bench.model.volume();
    assert_eq!(volume.tenants.values().next().unwrap().spec.display_name, "a");
}

#[tokio::test]
async fn a_silent_relay_is_asked_nothing_and_what_it_acknowledged_counts_for_a_while() {
    let bench = Bench::ready().await;
    bench.write(ACME, "t", &tenant("a")).await.unwrap();
    *bench.model.fault.lock().unwrap() = Fault::LostBefore;
    bench.write(ALICE, "alice", &agent(false)).await.unwrap_err();
    bench.model.take_requests();
    assert_eq!(bench.write(ACME, "t", &tenant("a")).await.unwrap(), COMPLETE);
    let waiting = Observed::Known(Progress { acknowledged: 0, ready: 1 });
    assert_eq!(bench.write(ALICE, "alice", &agent(false)).await.unwrap(), waiting);
    assert!(
        !bench.replicas.delete(&bench.relay, ALICE, &bench.replicas.writer("alice"), None).await.unwrap()
    );
    assert_eq!(bench.model.take_requests(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn an_answer_to_a_write_of_a_former_term_makes_nothing_known() {
    let bench = Bench::ready().await;
    let write = |suspended| {
        *bench.model.fault.lock().unwrap() = Fault::Late;
        let (replicas, relay) = (bench.replicas.clone(), bench.relay.clone());
        tokio::spawn(async move {
            replicas.write(&relay, ALICE, &replicas.writer("alice"), &agent(suspended)).await
        })
    };
    let former = write(false);
    tokio::time::sleep(Duration::from_secs(1)).await;
    bench.leadership.set_term(Some("1700000000.2".parse().unwrap()));
    bench.reach();
    bench.contact(1).await;
    bench.list().await;
    let present = write(true);
    tokio::time::sleep(Duration::from_millis(2_500)).await;
    assert!(former.is_finished() && !present.is_finished());
    assert!(!bench.is_acknowledged(ALICE, "alice"), "only the write of this term says what the relay holds");
    present.await.unwrap().unwrap();
}

/// The worker of the black hole is held, and the next object of the same relay is not.
#[tokio::test(start_paused = true)]
async fn a_black_hole_holds_a_bounded_number_of_workers() {
    let bench = Bench::ready().await;
    let mut held = Vec::new();
    for number in 0..40 {
        let (replicas, relay) = (bench.replicas.clone(), bench.relay.clone());
        let model = Arc::clone(&bench.model);
        held.push(tokio::spawn(async move {
            *model.fault.lock().unwrap() = Fault::Hangs;
            let path = format!("/admin/v1/tenants/t{number}");
            replicas.write(&relay, &path, &replicas.writer("t"), &tenant("a")).await
        }));
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    let free = held.iter().filter(|worker| worker.is_finished()).count();
    assert_eq!(free, 40 - 16, "the others gave up after a quarter of a second");
    for worker in held.into_iter().filter(tokio::task::JoinHandle::is_finished) {
        assert!(matches!(worker.await.unwrap(), Err(RelayError::Busy(_))));
    }
}

#[tokio::test]
async fn agents_that_wait_are_written_together() {
    let bench = Bench::ready().await;
    let names: Vec<_> = (0..10).map(|number| format!("{ACME}/agents/a{number}")).collect();
    let content = agent(false);
    let writes = names.iter().map(|path| bench.write(path, "uid", &content));
    for written in futures::future::join_all(writes).await {
        assert_eq!(written.unwrap(), COMPLETE);
    }
    let requests = bench.model.take_requests();
    assert!(requests.len() < names.len(), "{requests:?}");
    assert_eq!(bench.model.volume().tenants.values().next().unwrap().agents.len(), names.len());
}

#[tokio::test]
async fn a_refused_item_of_a_batch_harms_no_other() {
    let bench = Bench::ready().await;
    bench.model.write_by_hand(BOB, kubernetes("other"), serde_json::to_value(agent(false)).unwrap());
    let content = agent(true);
    let carol = format!("{ACME}/agents/carol");
    let writes = [ALICE, BOB, carol.as_str()].map(|path| bench.write(path, "uid", &content));
    let results = futures::future::join_all(writes).await;
    let refused: Vec<_> =
        results.iter().map(|result| result.as_ref().err().and_then(RelayError::reason)).collect();
    assert_eq!(refused, [None, Some(Reason::OwnerConflict), None]);
}

#[tokio::test]
async fn an_older_relay_gets_one_request_for_each_agent() {
    let mut model = ModelRelay::new();
    model.capabilities.clear();
    let bench = Bench::with(model);
    bench.reach();
    bench.contact(1).await;
    let content = AgentSpec { deletion_policy: Some(DeletionPolicy::Retain), ..agent(false) };
    let writes = [ALICE, BOB].map(|path| bench.write(path, "uid", &content));
    futures::future::join_all(writes).await;
    assert_eq!(bench.model.take_requests(), [format!("PUT {ALICE}"), format!("PUT {BOB}")]);
    assert_eq!(bench.model.agent("alice").unwrap().spec.deletion_policy, None);
}

#[tokio::test]
async fn a_deletion_names_a_policy_only_to_a_relay_that_knows_policies() {
    for (capabilities, request) in [
        (vec![], format!("DELETE {ALICE}")),
        (CAPABILITIES.to_vec(), format!("DELETE {ALICE}?policy=retain")),
    ] {
        let mut model = ModelRelay::new();
        model.capabilities = capabilities;
        let bench = Bench::with(model);
        bench.reach();
        bench.contact(1).await;
        bench.write(ALICE, "uid", &agent(false)).await.unwrap();
        bench.model.take_requests();
        let (writer, policy) = (bench.replicas.writer("uid"), Some(DeletionPolicy::Retain));
        assert!(bench.replicas.delete(&bench.relay, ALICE, &writer, policy).await.unwrap());
        assert_eq!(bench.model.take_requests(), [request]);
    }
}

#[tokio::test]
async fn nothing_is_sent_when_the_term_has_ended() {
    let bench = Bench::ready().await;
    bench.leadership.set_term(None);
    assert_eq!(bench.write(ACME, "t", &tenant("a")).await.unwrap(), Observed::Unknown);
    assert!(!bench.replicas.delete(&bench.relay, ACME, &bench.replicas.writer("t"), None).await.unwrap());
    assert_eq!(bench.model.take_requests(), Vec::<String>::new());
}

#[tokio::test]
async fn a_stale_term_makes_this_replica_step_down() {
    let bench = Bench::ready().await;
    *bench.model.fault.lock().unwrap() = Fault::StaleTerm;
    let error = bench.write(ACME, "t", &tenant("a")).await.unwrap_err();
    assert_eq!(error.reason(), Some(Reason::StaleTerm));
    assert!(bench.leadership.resigned().now_or_never().is_some());
}

#[tokio::test]
async fn only_the_entries_of_the_uid_are_removed() {
    let bench = Bench::ready().await;
    bench.write(ALICE, "alice", &agent(false)).await.unwrap();
    bench.write(BOB, "bob", &agent(false)).await.unwrap();
    assert_eq!(bench.replicas.remove_owned("alice").await.unwrap(), 1);
    assert_eq!(bench.replicas.remove_owned("nobody").await.unwrap(), 0);
    assert_eq!(bench.model.agent("alice"), None);
    assert!(bench.model.agent("bob").is_some());
}

#[tokio::test]
async fn an_entry_is_handed_over_by_its_former_owner_only() {
    let bench = Bench::ready().await;
    bench.model.write_by_hand(ALICE, kubernetes("old"), serde_json::json!({"suspended": false}));
    let error = bench.write(ALICE, "new", &agent(false)).await.unwrap_err();
    assert_eq!(error.reason(), Some(Reason::OwnerConflict));
    assert_eq!(bench.holder(ALICE), Observed::Unknown, "the record was wrong, so the relay is listed");
    let writer = Writer { former_owner: Some(kubernetes("old")), ..bench.replicas.writer("new") };
    let written = bench.replicas.write(&bench.relay, ALICE, &writer, &agent(false)).await;
    assert_eq!(written.unwrap(), COMPLETE);
    assert_eq!(bench.holder(ALICE), Observed::Known(Some(kubernetes("new"))));
}

#[tokio::test]
async fn other_authorities_are_told_once() {
    let bench = Bench::new();
    let access = |authorities: &str| RelayAccess {
        token: Zeroizing::new("token".into()),
        authorities: authorities.into(),
        endpoint_authorities: String::new(),
        server_name: "main".into(),
    };
    assert!(!bench.replicas.set_access(&bench.relay, access("one")), "the first ones are no change");
    assert!(!bench.replicas.set_access(&bench.relay, access("one")));
    assert!(bench.replicas.set_access(&bench.relay, access("two")));
}

#[tokio::test]
async fn what_somebody_changed_at_the_relay_is_found_by_the_listing() {
    let bench = Bench::ready().await;
    bench.write(ALICE, "alice", &agent(true)).await.unwrap();
    let body = serde_json::to_value(agent(false)).unwrap();
    bench.model.write_by_hand(ALICE, kubernetes("alice"), body);
    bench.replicas.list_again(&bench.relay);
    assert_eq!(bench.list().await.unwrap().different, [ALICE.to_owned()].into());
    assert_eq!(bench.write(ALICE, "alice", &agent(true)).await.unwrap(), COMPLETE);
    assert!(bench.model.agent("alice").unwrap().spec.suspended);
}
