//! Tests of the writer: what waits is committed together, and a failed commit leaves nothing.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures::future::join_all;
use futures::poll;
use protocol::admin::{KeySpec, TenantSpec};
use protocol::record::Card;
use protocol::{Identity, Reason};
use tokio::sync::oneshot;
use tokio::task::unconstrained;

use super::*;
use crate::directory::decide::{AdminOperation, Operation};
use crate::directory::fixtures::{did, hash, record, tenant};
use crate::directory::{Capacity, Directory, DirectoryWriter, Principal, Requester, Rules};
use crate::store::Store;

const NOW: u64 = 1_000;

struct Opened {
    directory: Arc<Directory>,
    writer: DirectoryWriter,
    store: Store,
    _folder: tempfile::TempDir,
}

async fn open() -> Opened {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("relay.db")).await.unwrap();
    let capacity = Capacity { tenants: 10, agents: 1_000 };
    let rules = Rules { capacity, gateway_url: None };
    let domain = "example.com".parse().unwrap();
    let (directory, writer) = Directory::open(store.clone(), domain, rules, Arc::new(|| NOW)).await.unwrap();
    Opened { directory, writer, store, _folder: folder }
}

fn put_agent(name: &str) -> AdminOperation {
    AdminOperation::PutAgent(did("default", name), Box::default())
}

#[tokio::test]
async fn a_full_queue_is_one_transaction() {
    let Opened { directory, writer, .. } = open().await;
    let names: Vec<_> = (0..256).map(|number| format!("agent-{number}")).collect();
    let writes = names.iter().map(|name| directory.administer(Requester::default(), put_agent(name)));
    // Without tokio's budget, which would put off half of them.
    let mut all = std::pin::pin!(unconstrained(join_all(writes)));
    assert!(poll!(&mut all).is_pending(), "nothing is answered before the commit");
    assert_eq!(directory.size().commits, 0);
    tokio::spawn(writer.run());
    let versions: BTreeSet<_> = all.await.into_iter().map(|written| written.unwrap().version).collect();
    assert_eq!(versions, (2..258).collect());
    let size = directory.size();
    assert_eq!((size.commits, size.agents, size.version), (1, 256, 257));
}

#[tokio::test]
async fn a_refused_operation_does_not_spoil_the_transaction() {
    let Opened { directory, writer, .. } = open().await;
    let unknown = AdminOperation::PutAgent(did("nowhere", "bob"), Box::default());
    let changes = vec![put_agent("alice"), unknown, put_agent("carol"), put_agent("alice")];
    let changes = changes.into_iter().map(|change| (Requester::default(), change)).collect();
    tokio::spawn(writer.run());
    let results = directory.administer_all(changes).await.unwrap();
    let reasons: Vec<_> = results
        .iter()
        .map(|result| result.as_ref().map(|written| written.changed).map_err(|e| e.reason()))
        .collect();
    assert_eq!(reasons, [Ok(true), Err(Reason::NotFound), Ok(true), Ok(false)]);
    assert_eq!((directory.size().commits, directory.version()), (1, 3));
}

#[tokio::test]
async fn a_failed_commit_changes_nothing_and_the_next_one_starts_anew() {
    let Opened { directory, writer, store, .. } = open().await;
    tokio::spawn(writer.run());
    let read_only = async |on: bool| {
        let pragma = if on { "pragma query_only = 1" } else { "pragma query_only = 0" };
        sqlx::query(pragma).execute(store.pool()).await.unwrap();
    };
    read_only(true).await;
    let changes =
        vec![(Requester::default(), put_agent("alice")), (Requester::default(), put_agent("alice"))];
    let results = directory.administer_all(changes).await.unwrap();
    let reasons: Vec<_> = results.into_iter().map(|result| result.unwrap_err().reason()).collect();
    assert_eq!(reasons, [Reason::StorageUnavailable; 2], "also the second, which would change nothing");
    assert!(directory.agent(&did("default", "alice")).is_none() && directory.readiness().is_err());
    read_only(false).await;
    let written = directory.administer(Requester::default(), put_agent("alice")).await.unwrap();
    assert_eq!((written.version, written.changed), (2, true));
}

fn request(operation: Operation) -> WriteRequest {
    WriteRequest { operations: vec![operation], answer: oneshot::channel().0 }
}

fn registration() -> WriteRequest {
    let identity = Identity::generate(did("acme", "bob"), 1, &mut rand::rng());
    let who = Principal { tenant: tenant("acme"), agent: None, key_id: hash(1).key_id() };
    request(Operation::Publish(who, Box::new(record(&identity, Card::default(), NOW))))
}

fn administration() -> WriteRequest {
    let operation = AdminOperation::PutTenant(tenant("acme"), TenantSpec::default());
    request(Operation::Administer(Requester::default(), operation))
}

fn is_administration(request: &WriteRequest) -> bool {
    matches!(request.operations.first(), Some(Operation::Administer(..)))
}

#[tokio::test]
async fn an_administrator_waits_for_no_registration_that_waits_too() {
    let (to_admin, administrations) = mpsc::channel(300);
    let (to_registrations, registrations) = mpsc::channel(300);
    let mut queues = RequestQueues::new(administrations, registrations);
    for _ in 0..200 {
        to_registrations.send(registration()).await.unwrap();
    }
    to_admin.send(administration()).await.unwrap();
    let group = queues.next_group().await.unwrap();
    assert!(is_administration(&group[0]));
    assert_eq!(group.len(), 1 + REGISTRATIONS_PER_COMMIT_MAX);
    let group = queues.next_group().await.unwrap();
    assert_eq!(group.len(), REGISTRATIONS_PER_COMMIT_MAX);
}

#[tokio::test]
async fn registrations_are_not_shut_out_by_administrators() {
    let (to_admin, administrations) = mpsc::channel(600);
    let (to_registrations, registrations) = mpsc::channel(300);
    let mut queues = RequestQueues::new(administrations, registrations);
    for _ in 0..600 {
        to_admin.send(administration()).await.unwrap();
    }
    to_registrations.send(registration()).await.unwrap();
    let group = queues.next_group().await.unwrap();
    assert_eq!(group.len(), ADMINISTRATIONS_PER_COMMIT_MAX + 1);
    assert!(!is_administration(group.last().unwrap()));
}

#[tokio::test]
async fn what_waits_when_the_directory_closes_is_still_answered() {
    let Opened { directory, writer, .. } = open().await;
    let spec = KeySpec { sha256: hash(1), not_after: None };
    let put = AdminOperation::PutKey(tenant("default"), hash(1).key_id(), spec);
    let mut write = std::pin::pin!(directory.administer(Requester::default(), put));
    assert!(poll!(&mut write).is_pending());
    directory.close();
    writer.run().await;
    assert!(write.await.unwrap().changed);
}
