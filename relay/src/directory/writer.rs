//! The only task that changes the directory. It also expires keys and checks a failed store until
//! it works again.

use std::sync::Arc;
use std::time::Duration;

use protocol::UnixSeconds;
use tokio::sync::mpsc;

use super::audit::AuditEntry;
use super::decide::{Context, Operation, decide};
use super::edit::{Decision, Edit};
use super::request::{WriteError, WriteRequest, Written};
use super::revocation::Revocation;
use super::{Directory, Rules};
use crate::store::Store;

/// How late the sessions of an expired key may be closed.
const SWEEP_INTERVAL: Duration = Duration::from_millis(500);

#[must_use = "changes of the directory wait until the writer runs"]
pub struct DirectoryWriter {
    directory: Arc<Directory>,
    store: Store,
    rules: Rules,
    requests: mpsc::Receiver<WriteRequest>,
    /// Sessions of keys that expired up to this time are closed.
    expired_until: UnixSeconds,
}

impl DirectoryWriter {
    pub(super) fn new(
        directory: Arc<Directory>,
        store: Store,
        rules: Rules,
        requests: mpsc::Receiver<WriteRequest>,
    ) -> Self {
        // Nothing is connected yet, so keys that expired before need no revocation.
        let expired_until = directory.now();
        Self { directory, store, rules, requests, expired_until }
    }

    /// Runs until [`Directory::close`].
    pub async fn run(mut self) {
        let mut sweep = tokio::time::interval(SWEEP_INTERVAL);
        sweep.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                _ = sweep.tick() => self.sweep().await,
                Some(request) = self.requests.recv() => self.answer(request).await,
                () = self.directory.closed.cancelled() => break,
            }
        }
        self.requests.close();
        while let Some(request) = self.requests.recv().await {
            self.answer(request).await;
        }
    }

    async fn answer(&self, request: WriteRequest) {
        let result = self.write(request.operation).await;
        // The requester may be gone; the change is valid without it.
        let _ = request.answer.send(result);
    }

    async fn write(&self, operation: Operation) -> Result<Written, WriteError> {
        let entry = AuditEntry::new(&operation);
        let decision = {
            let state = self.directory.read();
            let context = Context {
                state: &state,
                capacity: self.rules.capacity,
                gateway_url: self.rules.gateway_url.as_deref(),
                now: self.directory.now(),
            };
            decide(context, operation)?
        };
        let Decision::Apply { edit, revocations } = decision else {
            return Ok(Written { version: self.directory.version(), changed: false });
        };
        let version = self.commit(&edit).await?;
        self.directory.enforce(&revocations);
        entry.record(version);
        Ok(Written { version, changed: true })
    }

    async fn commit(&self, edit: &Edit) -> Result<u64, WriteError> {
        let committed = self.store.commit_edit(edit).await;
        self.directory.health.report(&committed);
        let version = committed.map_err(|_| WriteError::Store)?;
        self.directory.write_state().commit(edit, version);
        Ok(version)
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
        if self.directory.health.is_failing() {
            self.directory.health.report(&self.store.probe().await);
        }
    }
}

impl std::fmt::Debug for DirectoryWriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DirectoryWriter").field("expired_until", &self.expired_until).finish_non_exhaustive()
    }
}
