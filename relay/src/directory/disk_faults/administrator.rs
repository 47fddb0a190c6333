//! An administrator who changes the directory at random, and knows what may be on disk.

use std::sync::{Arc, Mutex};

use protocol::admin::{AgentKey, AgentSpec, DeletionPolicy, TenantSpec};
use rand::RngExt as _;
use rand::rngs::StdRng;
use sqlite_faults::Disk;

use super::super::decide::{Context, Operation, decide};
use super::super::fixtures::{did, hash, tenant};
use super::super::{AdminOperation, Directory, DirectoryState, Requester, Revocation, WriteError};
use super::rules;

const TENANTS: [&str; 2] = ["acme", "beta"];
const AGENTS: [&str; 2] = ["alice", "bob"];

pub(super) struct Administrator<'a> {
    directory: Arc<Directory>,
    disk: &'a Disk,
    enforced: Arc<Mutex<Vec<Revocation>>>,
    /// What the next life may find.
    pub(super) possible: Vec<DirectoryState>,
    /// The disk works, so the next change has to succeed.
    pub(super) needs_success: bool,
}

/// What is drawn, and made into an operation as often as it is needed.
#[derive(Debug, Clone, Copy)]
enum Change {
    PutTenant { tenant: usize, suspended: bool },
    DeleteTenant { tenant: usize },
    PutAgent { tenant: usize, agent: usize, suspended: bool, keys: u8 },
    SuspendAgent { tenant: usize, agent: usize, suspended: bool },
    DeleteAgent { tenant: usize, agent: usize },
}

impl Change {
    fn draw(rng: &mut StdRng) -> Self {
        let (tenant, agent) = (rng.random_range(0..TENANTS.len()), rng.random_range(0..AGENTS.len()));
        let suspended = rng.random_bool(0.5);
        match rng.random_range(0..10) {
            0..2 => Self::PutTenant { tenant, suspended },
            2 => Self::DeleteTenant { tenant },
            3..6 => Self::PutAgent { tenant, agent, suspended, keys: rng.random_range(0..3) },
            6..9 => Self::SuspendAgent { tenant, agent, suspended },
            _ => Self::DeleteAgent { tenant, agent },
        }
    }

    fn operation(self) -> AdminOperation {
        let purge = Some(DeletionPolicy::Purge);
        match self {
            Self::PutTenant { tenant: number, suspended } => {
                let spec = TenantSpec { suspended, ..TenantSpec::default() };
                AdminOperation::PutTenant(tenant(TENANTS[number]), spec)
            }
            Self::DeleteTenant { tenant: number } => {
                AdminOperation::DeleteTenant(tenant(TENANTS[number]), purge)
            }
            Self::PutAgent { tenant, agent, suspended, keys } => {
                let first = u8::try_from(10 * tenant + 3 * agent).unwrap();
                let key = |number| AgentKey { sha256: hash(first + number), not_after: None };
                let spec =
                    AgentSpec { suspended, keys: (0..keys).map(key).collect(), ..AgentSpec::default() };
                AdminOperation::PutAgent(did(TENANTS[tenant], AGENTS[agent]), Box::new(spec))
            }
            Self::SuspendAgent { tenant, agent, suspended } => {
                AdminOperation::SuspendAgent(did(TENANTS[tenant], AGENTS[agent]), suspended)
            }
            Self::DeleteAgent { tenant, agent } => {
                AdminOperation::DeleteAgent(did(TENANTS[tenant], AGENTS[agent]), purge)
            }
        }
    }
}

/// The state after these changes, and what they revoke.
fn decided(state: &DirectoryState, changes: &[Change]) -> (DirectoryState, Vec<Revocation>) {
    let (mut after, mut revocations) = (state.clone(), Vec::new());
    for change in changes {
        let context = Context {
            state: &after,
            capacity: rules().capacity,
            gateway_url: None,
            has_room: true,
            now: 1_000,
        };
        let operation = Operation::Administer(Requester::default(), change.operation());
        let Ok(decision) = decide(context, operation) else { continue };
        if !decision.is_unchanged() {
            let version = after.version() + 1;
            after.commit(&decision.edits, version);
            revocations.extend(decision.revocations);
        }
    }
    (after, revocations)
}

impl<'a> Administrator<'a> {
    pub(super) fn new(directory: Arc<Directory>, disk: &'a Disk) -> Self {
        let enforced = Arc::new(Mutex::new(Vec::new()));
        let noted = Arc::clone(&enforced);
        directory.enforce_with(Box::new(move |revocation| noted.lock().unwrap().push(revocation.clone())));
        let possible = vec![directory.read().clone()];
        Self { directory, disk, enforced, possible, needs_success: false }
    }

    /// Makes some changes in one request.
    pub(super) async fn change(&mut self, rng: &mut StdRng) -> Result<(), String> {
        let changes: Vec<Change> = (0..rng.random_range(1..4)).map(|_| Change::draw(rng)).collect();
        let before = self.possible.clone();
        self.enforced.lock().unwrap().clear();
        let stored = self.request(&changes, rng.random_bool(0.5)).await;
        let after = self.directory.read().clone();
        // The directory may have found out meanwhile what became of an earlier change.
        let wanted = before.iter().map(|state| decided(state, &changes));
        if !stored {
            if self.needs_success {
                return Err(format!("{changes:?} is refused on a disk that works"));
            }
            self.possible.extend(wanted.map(|(state, _)| state));
            return if self.possible.contains(&after) {
                Ok(())
            } else {
                Err(format!("{changes:?} is half done"))
            };
        }
        let Some((_, revocations)) = wanted.into_iter().find(|(state, _)| *state == after) else {
            return Err(format!("{changes:?} was answered, and not made: {after:#?}"));
        };
        let enforced = self.enforced.lock().unwrap();
        if let Some(open) = revocations.iter().find(|revocation| !enforced.contains(revocation)) {
            return Err(format!("{changes:?} was answered before {open:?} was enforced"));
        }
        self.possible = vec![after];
        Ok(())
    }

    /// Whether the changes were stored. What hangs meanwhile goes on, and may fail then.
    async fn request(&self, changes: &[Change], hanging_succeeds: bool) -> bool {
        let operations = changes.iter().map(|change| (Requester::default(), change.operation()));
        let answered = self.directory.administer_all(operations.collect());
        tokio::pin!(answered);
        let results = tokio::select! {
            biased;
            results = &mut answered => results,
            () = until_it_hangs(self.disk) => {
                self.disk.release(hanging_succeeds);
                answered.await
            }
        };
        !results.unwrap().iter().any(|result| matches!(result, Err(WriteError::Store)))
    }
}

async fn until_it_hangs(disk: &Disk) {
    while disk.hanging().is_none() {
        tokio::task::yield_now().await;
    }
}
