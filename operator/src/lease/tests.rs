//! Tests of the election against a model of the API server.

use clap::Parser as _;
use serde_json::json;

use super::*;
use crate::simulator::api_server::ApiServer;
use crate::simulator::api_server::model_kind::ModelKind;
use crate::simulator::model_clock::ModelClock;
use crate::simulator::network::ModelNetwork;
use crate::watches::StoreSync;

/// The compile-time assertions compare the limits with each other. This compares them with numbers,
/// because all of them could be wrong together.
#[test]
fn a_leader_that_cannot_renew_stops_well_before_another_may_start() {
    assert_eq!(LEASE_TTL, Duration::from_secs(15));
    assert_eq!(WRITE_GRACE, Duration::from_secs(10));
    assert_eq!(WRITE_TIMEOUT, Duration::from_secs(4));
    assert_eq!(REQUEST_TIMEOUT, Duration::from_secs(3));
    assert_eq!(RENEWAL_INTERVAL, Duration::from_secs(2));
    assert_eq!(RETRY_INTERVAL, Duration::from_millis(500));
}

/// One replica that takes part in the election.
struct Replica {
    leadership: Arc<Leadership>,
    fence: WriteFence,
    network: ModelNetwork,
    store: StoreSync,
    shutdown: Shutdown,
    terms_begun: Arc<Mutex<u32>>,
}

impl Replica {
    /// A replica whose only store is not synced yet.
    fn start(server: &ApiServer, name: &str) -> Self {
        Self::start_with(server, name, std::future::ready(true))
    }

    /// `stopped` tells whether its workers have stopped, after shutdown began.
    fn start_with(
        server: &ApiServer,
        name: &str,
        stopped: impl Future<Output = bool> + Send + 'static,
    ) -> Self {
        let (fence, network, shutdown) = (WriteFence::default(), ModelNetwork::perfect(), Shutdown::new());
        let leadership = Arc::new(Leadership::new(fence.clone()));
        let settings = Settings::parse_from(["operator", "--pod-name", name, "--namespace", "system"]);
        let (sync, terms_begun) = (SyncState::default(), Arc::new(Mutex::new(0)));
        let store = sync.register("agents");
        let count = Arc::clone(&terms_begun);
        let begin_term: BeginTerm = Box::new(move || *count.lock().unwrap() += 1);
        let election = Election::new(
            server.client(&network),
            &settings,
            (fence.clone(), Arc::clone(&leadership)),
            sync,
            (Clock::system(), Jitter::random()),
            begin_term,
        );
        tokio::spawn(Arc::new(election).run(shutdown.clone(), stopped));
        Self { leadership, fence, network, store, shutdown, terms_begun }
    }

    fn leads(&self) -> bool {
        assert_eq!(self.leadership.term().is_some(), self.fence.allows_writes());
        self.leadership.term().is_some()
    }

    async fn until_leading(&self) -> Term {
        let mut terms = self.leadership.subscribe();
        let term = tokio::time::timeout(Duration::from_secs(60), terms.wait_for(Option::is_some)).await;
        term.expect("it leads within a minute").unwrap().unwrap()
    }
}

fn server() -> ApiServer {
    let server = ApiServer::new(ModelClock::start());
    server.with(|store| {
        let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "system"}});
        store.create(ModelKind::named("Namespace"), "", "test", namespace).unwrap();
    });
    server
}

/// Lets time pass. Asserts at every step that at most one of the replicas leads.
async fn pass(time: Duration, replicas: [&Replica; 2]) {
    for _ in 0..time.as_millis() / 100 {
        tokio::time::sleep(Duration::from_millis(100)).await;
        replicas.iter().for_each(|replica| replica.store.heard());
        assert!(!replicas.iter().all(|replica| replica.leads()), "two replicas lead");
    }
}

#[tokio::test(start_paused = true)]
async fn a_replica_leads_only_while_its_stores_are_synced_and_not_stuck() {
    let server = server();
    let replica = Replica::start(&server, "a");
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert!(!replica.leads(), "its store is not synced");
    replica.store.synced();
    let first = replica.until_leading().await;
    let next = Replica::start(&server, "b");
    next.store.synced();
    // The store of the first hears nothing any more.
    let mut seconds_without_leader = 0;
    for _ in 0..130 {
        tokio::time::sleep(Duration::from_secs(1)).await;
        next.store.heard();
        assert!(!(replica.leads() && next.leads()), "two replicas lead");
        seconds_without_leader += u32::from(!replica.leads() && !next.leads());
    }
    assert!(seconds_without_leader >= 4, "a write of the first may be under way: {seconds_without_leader}");
    assert!(!replica.leads(), "its store is stuck");
    assert!(next.until_leading().await > first, "the lease was given back");
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_is_cut_off_stops_before_another_starts() {
    let server = server();
    let (one, two) = (Replica::start(&server, "a"), Replica::start(&server, "b"));
    one.store.synced();
    let first = one.until_leading().await;
    two.store.synced();
    pass(Duration::from_secs(30), [&one, &two]).await;
    assert!(one.leads());
    one.network.cut();
    pass(Duration::from_millis(10_100), [&one, &two]).await;
    assert!(!one.leads(), "it stops when its last renewal is ten seconds old");
    pass(Duration::from_secs(20), [&one, &two]).await;
    assert!(two.leads() && two.until_leading().await > first);
}

#[tokio::test(start_paused = true)]
async fn a_relay_that_knows_a_later_term_makes_the_holder_begin_one() {
    let server = server();
    let replica = Replica::start(&server, "a");
    replica.store.synced();
    let first = replica.until_leading().await;
    let mut terms = replica.leadership.subscribe();
    replica.leadership.resign();
    terms.wait_for(|term| term.is_some_and(|term| term > first)).await.unwrap();
    assert_eq!(*replica.terms_begun.lock().unwrap(), 2, "what the former term knew is forgotten");
}

#[tokio::test(start_paused = true)]
async fn a_renewal_keeps_the_term_and_a_shutdown_gives_the_lease_back() {
    let server = server();
    let (one, two) = (Replica::start(&server, "a"), Replica::start(&server, "b"));
    one.store.synced();
    let first = one.until_leading().await;
    two.store.synced();
    pass(Duration::from_secs(40), [&one, &two]).await;
    assert_eq!(one.leadership.term(), Some(first));
    assert_eq!(*one.terms_begun.lock().unwrap(), 1);
    one.shutdown.begin();
    pass(Duration::from_secs(5), [&one, &two]).await;
    assert!(two.leads(), "it does not wait until the lease expires");
}

#[tokio::test(start_paused = true)]
async fn a_replica_whose_workers_do_not_stop_lets_the_lease_expire() {
    let server = server();
    let drain = async {
        tokio::time::sleep(Duration::from_secs(5)).await;
        false
    };
    let (one, two) = (Replica::start_with(&server, "a", drain), Replica::start(&server, "b"));
    one.store.synced();
    one.until_leading().await;
    two.store.synced();
    pass(Duration::from_secs(5), [&one, &two]).await;
    one.shutdown.begin();
    pass(Duration::from_secs(4), [&one, &two]).await;
    assert!(one.leads(), "its workers finish what they have");
    pass(Duration::from_secs(4), [&one, &two]).await;
    assert!(!one.leads() && !two.leads(), "a request may still be under way");
    pass(Duration::from_secs(15), [&one, &two]).await;
    assert!(two.leads());
}
