//! Tests that no change of the directory leaves a session behind, however its steps and those of a
//! registration interleave.

use daemon::{Shutdown, Tasks};
use protocol::Identity;
use protocol::admin::{DeletionPolicy, KeySpec, TenantSpec};
use protocol::did::TenantId;
use protocol::record::Card;
use tokio::io::DuplexStream;

use super::tests::open_hub;
use super::*;
use crate::core::{NewSession, RequestId};
use crate::directory::fixtures::{did, hash, record, tenant};
use crate::directory::{AdminOperation, Principal, Requester, Revocation};

/// The steps of a client with a tenant key, and those of a change, each in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Authenticate,
    Connect,
    Publish,
    OpenSession,
    /// The change is committed and visible.
    Change,
    Enforce,
}

const REGISTRATION: [Step; 4] = [Step::Authenticate, Step::Connect, Step::Publish, Step::OpenSession];
const CHANGE: [Step; 2] = [Step::Change, Step::Enforce];

/// Every order of the steps of both.
fn interleavings(one: &[Step], other: &[Step]) -> Vec<Vec<Step>> {
    let (Some((first, rest)), Some((theirs, others))) = (one.split_first(), other.split_first()) else {
        return vec![[one, other].concat()];
    };
    let ours = interleavings(rest, other).into_iter().map(|tail| [&[*first], &*tail].concat());
    let theirs = interleavings(one, others).into_iter().map(|tail| [&[*theirs], &*tail].concat());
    ours.chain(theirs).collect()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Change {
    SuspendAgent,
    RemoveAgent,
    RetainAgent,
    /// Removes the agent and declares one of the same name.
    ReplaceAgent,
    SuspendTenant,
    RemoveTenant,
    RevokeKey,
}

const CHANGES: [Change; 7] = [
    Change::SuspendAgent,
    Change::RemoveAgent,
    Change::RetainAgent,
    Change::ReplaceAgent,
    Change::SuspendTenant,
    Change::RemoveTenant,
    Change::RevokeKey,
];

/// One run: a tenant of its own with one key, and a client that registers an agent.
struct Run<'a> {
    hub: &'a Arc<Hub>,
    change: Change,
    tenant: TenantId,
    identity: Identity,
    principal: Option<Principal>,
    connection: Option<(Arc<Connection>, DuplexStream)>,
    published: bool,
}

impl Run<'_> {
    async fn administer(&self, operation: AdminOperation) {
        self.hub.directory.administer(Requester::default(), operation).await.unwrap();
    }

    async fn prepare(&self) {
        self.administer(AdminOperation::PutTenant(self.tenant.clone(), TenantSpec::default())).await;
        let spec = KeySpec { sha256: hash(self.key()), not_after: None };
        self.administer(AdminOperation::PutKey(self.tenant.clone(), hash(self.key()).key_id(), spec)).await;
        // The agent exists before, so that each change has something to change.
        self.administer(AdminOperation::PutAgent(self.identity.did().clone(), Box::default())).await;
    }

    /// The tenant's name ends with the number of its key.
    fn key(&self) -> u8 {
        self.tenant.as_str().rsplit('-').next().unwrap().parse().unwrap()
    }

    async fn step(&mut self, step: Step) {
        match step {
            Step::Authenticate => {
                self.principal = self.hub.directory.authenticate(&format!("key {}", self.key())).ok();
            }
            Step::Connect => {
                let Some(principal) = self.principal.clone() else { return };
                let (near, far) = tokio::io::duplex(1 << 16);
                let peer = "127.0.0.1:1".parse().unwrap();
                self.connection = Some((self.hub.add_connection(Box::new(near), principal, peer), far));
            }
            Step::Publish => {
                let Some(principal) = &self.principal else { return };
                let record = record(&self.identity, Card::default(), 1_000);
                let published = self.hub.directory.publish(principal, self.identity.did(), record).await;
                self.published = published.is_ok();
            }
            Step::OpenSession => self.open_session(),
            Step::Change => self.make_change().await,
            Step::Enforce => self.hub.enforce(&self.revocation()),
        }
    }

    fn open_session(&self) {
        let Some((connection, _)) = self.connection.as_ref().filter(|_| self.published) else { return };
        let (did, tenant) = (self.identity.did().clone(), self.tenant.clone());
        let opened = NewSession { conn: connection.id, did, tenant, request: RequestId::Number(1) };
        let root_key = protocol::multikey::encode_ed25519(&self.identity.root_public());
        self.hub.open_session(connection, opened, &root_key);
    }

    async fn make_change(&self) {
        let (did, tenant) = (self.identity.did().clone(), self.tenant.clone());
        let purge = Some(DeletionPolicy::Purge);
        self.administer(match self.change {
            Change::SuspendAgent => AdminOperation::SuspendAgent(did, true),
            Change::RemoveAgent | Change::ReplaceAgent => AdminOperation::DeleteAgent(did, purge),
            Change::RetainAgent => AdminOperation::DeleteAgent(did, Some(DeletionPolicy::Retain)),
            Change::SuspendTenant => {
                let spec = TenantSpec { suspended: true, ..TenantSpec::default() };
                AdminOperation::PutTenant(tenant, spec)
            }
            Change::RemoveTenant => AdminOperation::DeleteTenant(tenant, purge),
            Change::RevokeKey => AdminOperation::DeleteKey(tenant, hash(self.key()).key_id()),
        })
        .await;
        if self.change == Change::ReplaceAgent {
            self.administer(AdminOperation::PutAgent(self.identity.did().clone(), Box::default())).await;
        }
    }

    fn revocation(&self) -> Revocation {
        let (did, tenant) = (self.identity.did().clone(), self.tenant.clone());
        match self.change {
            Change::SuspendAgent => Revocation::AgentSuspended(did),
            Change::RemoveAgent | Change::ReplaceAgent => Revocation::AgentRemoved(did),
            Change::RetainAgent => Revocation::AgentReleased(did),
            Change::SuspendTenant => Revocation::TenantSuspended(tenant),
            Change::RemoveTenant => Revocation::TenantRemoved(tenant),
            Change::RevokeKey => Revocation::KeyRevoked(hash(self.key()).key_id()),
        }
    }
}

/// Whether the client may have a session after the change: it registered the agent anew.
fn may_have_session(change: Change, order: &[Step]) -> bool {
    let place = |step| order.iter().position(|found| *found == step);
    let registered_anew = place(Step::Publish) > place(Step::Change);
    registered_anew && matches!(change, Change::RemoveAgent | Change::ReplaceAgent)
}

#[tokio::test]
async fn no_order_of_a_registration_and_a_revocation_leaves_a_session() {
    let folder = tempfile::tempdir().unwrap();
    let hub = open_hub(folder.path(), &Tasks::new(Shutdown::new())).await;
    let orders = interleavings(&REGISTRATION, &CHANGE);
    assert_eq!(orders.len(), 15);
    let mut number = 0;
    for change in CHANGES {
        for order in &orders {
            number += 1;
            let tenant = tenant(&format!("tenant-{number}"));
            let identity = Identity::generate(did(tenant.as_str(), "bob"), 1, &mut rand::rng());
            let (principal, connection, published) = (None, None, false);
            let mut run = Run { hub: &hub, change, tenant, identity, principal, connection, published };
            run.prepare().await;
            for step in order {
                run.step(*step).await;
            }
            let session = run.connection.as_ref().is_some_and(|(connection, _)| {
                hub.state().core.has_session(connection.id) && !connection.is_closing()
            });
            assert!(!session || may_have_session(change, order), "{change:?} {order:?}");
        }
    }
}
