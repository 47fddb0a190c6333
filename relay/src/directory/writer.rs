//! The one task that changes the directory. Also ends keys on time, and notices when a failed store works again.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use protocol::UnixSeconds;
use tokio::sync::mpsc;

use super::audit;
use super::change::{Change, Decision, Edit};
use super::decide::{Context, Operation, decide};
use super::request::{Request, WriteError, Written};
use super::{Directory, Rules};
use crate::store::Store;

/// How late the sessions of an expired key may end.
const SWEEP_INTERVAL: Duration = Duration::from_millis(500);

#[must_use = "changes of the directory wait until the writer runs"]
pub struct Writer {
    directory: Arc<Directory>,
    store: Store,
    rules: Rules,
    requests: mpsc::Receiver<Request>,
    /// Keys that ended until then have been enforced.
    swept: UnixSeconds,
}

impl Writer {
    pub(super) fn new(
        directory: Arc<Directory>,
        store: Store,
        rules: Rules,
        requests: mpsc::Receiver<Request>,
    ) -> Self {
        // Nobody is connected yet, so what has ended before needs no enforcement.
        let swept = directory.now();
        Self { directory, store, rules, requests, swept }
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

    async fn answer(&self, request: Request) {
        let result = self.write(request.operation).await;
        // The asker may have gone; what was decided holds nevertheless.
        let _ = request.answer.send(result);
    }

    async fn write(&self, operation: Operation) -> Result<Written, WriteError> {
        let entry = audit::Entry::of(&operation);
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
        let Decision::Change { edit, changes } = decision else {
            return Ok(Written { version: self.directory.version(), changed: false });
        };
        let version = self.commit(&edit).await?;
        self.directory.enforce(&changes);
        entry.record(version);
        Ok(Written { version, changed: true })
    }

    async fn commit(&self, edit: &Edit) -> Result<u64, WriteError> {
        let committed = self.store.commit_edit(edit).await;
        self.directory.health.report(&committed);
        let version = committed.map_err(|_| WriteError::Store)?;
        let mut state = self.directory.state.write().unwrap_or_else(PoisonError::into_inner);
        state.commit(edit, version);
        Ok(version)
    }

    async fn sweep(&mut self) {
        let now = self.directory.now();
        let ended = self.directory.read().expired(self.swept, now);
        self.swept = self.swept.max(now);
        if !ended.is_empty() {
            tracing::info!(target: "audit", keys = ?ended, "API keys have expired");
        }
        let changes: Vec<_> = ended.into_iter().map(Change::KeyRevoked).collect();
        self.directory.enforce(&changes);
        if self.directory.health.is_failing() {
            self.directory.health.report(&self.store.probe().await);
        }
    }
}

impl std::fmt::Debug for Writer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Writer").field("swept", &self.swept).finish_non_exhaustive()
    }
}
