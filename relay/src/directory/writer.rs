//! The only task that changes the directory. It commits everything that waits in one transaction,
//! and answers after the commit. It also expires keys and checks a failed store until
//! it works again.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use protocol::UnixSeconds;

use super::audit::AuditEntry;
use super::decide::{Context, Operation, check_term, decide};
use super::edit::{Decision, Edit};
use super::group_commit::RequestQueues;
use super::request::{WriteError, WriteRequest, WriteResult, Written};
use super::revocation::Revocation;
use super::state::DirectoryState;
use super::{Directory, Rules};
use crate::store::{Store, StoreError};

/// How late the sessions of an expired key may be closed.
const SWEEP_INTERVAL: Duration = Duration::from_millis(500);

#[must_use = "changes of the directory wait until the writer runs"]
pub struct DirectoryWriter {
    directory: Arc<Directory>,
    store: Store,
    rules: Rules,
    queues: RequestQueues,
    /// The state after all operations of the group that is being decided. Outside of a group it
    /// equals the directory's state, which holds committed changes only.
    draft: DirectoryState,
    /// Sessions of keys that expired up to this time are closed.
    expired_until: UnixSeconds,
    /// After a commit that failed, and may be on disk all the same: what it would have revoked.
    /// Until the store was read again, nobody knows whether a change is needed.
    unknown: Option<Vec<Revocation>>,
}

/// What the operations of one transaction change.
#[derive(Default)]
struct Group {
    edits: Vec<Edit>,
    revocations: Vec<Revocation>,
    audit: Vec<(AuditEntry, u64)>,
}

impl DirectoryWriter {
    pub(super) fn new(
        directory: Arc<Directory>,
        store: Store,
        rules: Rules,
        (queues, draft): (RequestQueues, DirectoryState),
    ) -> Self {
        // Nothing is connected yet, so keys that expired before need no revocation.
        let expired_until = directory.now();
        Self { directory, store, rules, queues, draft, expired_until, unknown: None }
    }

    #[cfg(test)]
    pub(super) fn pool(&self) -> &sqlx::SqlitePool {
        self.store.pool()
    }

    /// Runs until [`Directory::close`].
    pub async fn run(mut self) {
        let mut sweep = tokio::time::interval(SWEEP_INTERVAL);
        sweep.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                _ = sweep.tick() => self.sweep().await,
                Some(requests) = self.queues.next_group() => self.answer(requests).await,
                () = self.directory.closed.cancelled() => break,
            }
        }
        self.queues.close();
        while let Some(requests) = self.queues.next_group().await {
            self.answer(requests).await;
        }
    }

    /// Commits all requests together, and answers them after that.
    async fn answer(&mut self, requests: Vec<WriteRequest>) {
        let found = self.find_out().await;
        let mut group = Group::default();
        let mut answers = Vec::with_capacity(requests.len());
        for request in requests {
            let decide = |operation| self.decide(operation, &mut group);
            let results: Vec<_> = request.operations.into_iter().map(decide).collect();
            answers.push((request.answer, results));
        }
        let committed = match found {
            Ok(()) => self.commit(&group).await,
            Err(_) if group.edits.is_empty() => Ok(()),
            Err(error) => {
                self.draft = self.directory.read().clone();
                Err(error)
            }
        };
        for (answer, mut results) in answers {
            if committed.is_err() {
                // Each was decided together with changes that are not stored.
                results.iter_mut().for_each(|result| *result = Err(WriteError::Store));
            }
            // The requester may be gone; the change is valid without it.
            let _ = answer.send(results);
        }
    }

    /// Decides one operation against the draft, and applies it there.
    fn decide(&mut self, operation: Operation, group: &mut Group) -> WriteResult {
        if self.unknown.is_some() && matches!(operation, Operation::Administer(..)) {
            return Err(WriteError::Store);
        }
        if let Operation::Administer(requester, _) = &operation
            && let Some(raise) = check_term(&self.draft, requester)?
        {
            self.draft.apply(&raise);
            group.edits.push(raise);
        }
        let audit = AuditEntry::new(&operation);
        let has_room = !matches!(operation, Operation::Publish(..)) || self.store.has_room();
        let context = Context {
            state: &self.draft,
            capacity: self.rules.capacity,
            gateway_url: self.rules.gateway_url.as_deref(),
            has_room,
            now: self.directory.now(),
        };
        let decision = decide(context, operation)?;
        let (version, changed) = (self.draft.version(), !decision.is_unchanged());
        let Decision { edits, revocations, endpoint } = decision;
        if !changed {
            return Ok(Written { version, changed, endpoint });
        }
        if !has_room {
            // The last bytes of the disk are for changes of administrators.
            return Err(WriteError::Store);
        }
        let version = version.saturating_add(1);
        self.draft.commit(&edits, version);
        group.edits.extend(edits);
        group.revocations.extend(revocations);
        group.audit.push((audit, version));
        Ok(Written { version, changed, endpoint })
    }

    /// Stores the group, makes it visible and enforces it.
    async fn commit(&mut self, group: &Group) -> Result<(), StoreError> {
        if group.edits.is_empty() {
            return Ok(());
        }
        let version = self.draft.version();
        let committed = self.store.commit_edits(&group.edits, version).await;
        self.directory.health.report(&committed);
        if let Err(error) = committed {
            self.draft = self.directory.read().clone();
            if !error.is_disk_full() {
                self.unknown.get_or_insert_default().extend(group.revocations.iter().cloned());
            }
            return Err(error);
        }
        self.directory.commits.fetch_add(1, Ordering::Relaxed);
        self.directory.write_state().commit(&group.edits, version);
        self.directory.enforce(&group.revocations);
        group.audit.iter().for_each(|(entry, version)| entry.record(*version));
        Ok(())
    }

    /// After a commit that failed: makes durable what is on disk, reads it, and enforces it.
    async fn find_out(&mut self) -> Result<(), StoreError> {
        let Some(revocations) = &self.unknown else { return Ok(()) };
        let found = self.store.read_durably(&self.directory.domain).await;
        self.directory.health.report(&found);
        self.draft = found?;
        self.directory.write_state().clone_from(&self.draft);
        // Sessions that are closed for a change that is not on disk connect again.
        self.directory.enforce(revocations);
        self.unknown = None;
        Ok(())
    }

    async fn sweep(&mut self) {
        let now = self.directory.now();
        let expired = self.directory.read().expired(self.expired_until, now);
        self.expired_until = self.expired_until.max(now);
        if !expired.is_empty() {
            tracing::info!(target: "audit", keys = ?expired, "API keys have expired");
        }
        let revocations: Vec<_> = expired.into_iter().map(Revocation::KeyRevoked).collect();
        self.directory.enforce(&revocations);
        if self.unknown.is_some() {
            // The next sweep tries again.
            let _ = self.find_out().await;
        } else if self.directory.health.is_failing() {
            self.directory.health.report(&self.store.probe().await);
        }
    }
}

impl std::fmt::Debug for DirectoryWriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DirectoryWriter").field("expired_until", &self.expired_until).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::atomic::AtomicU64;

    use super::*;
    use crate::directory::Capacity;
    use crate::directory::fixtures::{agent_with_keys, hash};

    #[tokio::test]
    async fn the_sessions_of_a_key_that_expires_are_closed_once() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("relay.db")).await.unwrap();
        let rules = Rules { capacity: Capacity { tenants: 1, agents: 1 }, gateway_url: None };
        let (now, domain) = (Arc::new(AtomicU64::new(1_000)), "example.com".parse().unwrap());
        let clock = Arc::clone(&now);
        let clock = Arc::new(move || clock.load(Ordering::Relaxed));
        let (directory, mut writer) = Directory::open(store, domain, rules, clock).await.unwrap();
        let enforced = Arc::new(Mutex::new(Vec::new()));
        let noted = Arc::clone(&enforced);
        directory.enforce_with(Box::new(move |revocation| noted.lock().unwrap().push(revocation.clone())));
        let alice = agent_with_keys("default", "alice", &[(1, Some(1_010)), (2, None)]);
        directory.write_state().apply(&Edit::PutAgent(alice));

        for (second, closed) in [(1_009, 0), (1_010, 1), (1_011, 1)] {
            now.store(second, Ordering::Relaxed);
            writer.sweep().await;
            let expected = vec![Revocation::KeyRevoked(hash(1).key_id()); closed];
            assert_eq!(*enforced.lock().unwrap(), expected, "in second {second}");
        }
    }
}
