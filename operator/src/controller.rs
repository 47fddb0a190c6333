//! The workers: take an object from the queue, reconcile it, decide when it comes again.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use tracing::Instrument as _;

use crate::backoff;
use crate::context::Context;
use crate::error::{Error, Result, chain};
use crate::key::{Key, Kind};
use crate::{agent, relay, tenant};

/// One pass may take this long; a hung call must not hold a worker.
const RECONCILE_TIMEOUT: Duration = Duration::from_secs(30);

/// Failures in a row per object. An entry goes with the first success or with the object.
#[derive(Debug, Default)]
pub struct Failures(Mutex<HashMap<Key, u32>>);

impl Failures {
    fn count(&self, key: &Key) -> u32 {
        let mut map = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = map.entry(key.clone()).or_default();
        *count = count.saturating_add(1);
        *count
    }

    fn clear(&self, key: &Key) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
    }
}

/// One worker; runs until shutdown, finishing what it has. Dropping its future is safe between any two awaits.
pub async fn work(context: Context, failures: Arc<Failures>, shutdown: &daemon::Shutdown) {
    loop {
        let key = tokio::select! {
            biased;
            () = shutdown.begun() => return,
            key = context.queue.next() => key,
        };
        let taken = Taken { context: &context, key: Some(key) };
        let Some(key) = taken.key.clone() else { continue };
        let span = tracing::info_span!("reconcile", object.kind = key.kind.as_str(), object.name = %key.name);
        let wait = attempt(&context, &failures, &key).instrument(span).await;
        taken.finish(wait);
        context.metrics.queue_waiting.set(i64::try_from(context.queue.waiting()).unwrap_or(i64::MAX));
    }
}

/// Gives the key back also when the worker is stopped in the middle.
struct Taken<'a> {
    context: &'a Context,
    key: Option<Key>,
}

impl Taken<'_> {
    fn finish(mut self, wait: Option<Duration>) {
        if let Some(key) = self.key.take() {
            self.context.queue.finish(key, wait);
        }
    }
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        if let Some(key) = self.key.take() {
            self.context.queue.finish(key, Some(Duration::ZERO));
        }
    }
}

/// Reconciles once; returns when the object should come again.
async fn attempt(context: &Context, failures: &Failures, key: &Key) -> Option<Duration> {
    let begun = Instant::now();
    let result = tokio::time::timeout(RECONCILE_TIMEOUT, reconcile(context, key)).await;
    context.metrics.reconciled(key.kind, begun.elapsed());
    match result {
        Ok(Ok(wait)) => {
            failures.clear(key);
            wait
        }
        Ok(Err(error)) => Some(failed(context, failures, key, &error)),
        Err(_) => {
            tracing::warn!(
                timeout_seconds = RECONCILE_TIMEOUT.as_secs(),
                "reconcile took too long; it is tried again"
            );
            failures.count(key);
            Some(Duration::from_secs(5))
        }
    }
}

fn failed(context: &Context, failures: &Failures, key: &Key, error: &Error) -> Duration {
    let category = error.category();
    context.metrics.failed(key.kind, category);
    let wait = backoff::wait(category, failures.count(key), rand::random());
    let (error, retry_seconds) = (chain(error), wait.as_secs_f64());
    match category {
        crate::error::Category::Conflict => tracing::debug!(error, "somebody wrote first; trying again"),
        _ => tracing::warn!(error, category = category.as_str(), retry_seconds, "reconcile failed"),
    }
    wait
}

/// `None`: nothing to do until something happens to the object.
async fn reconcile(context: &Context, key: &Key) -> Result<Option<Duration>> {
    match key.kind {
        Kind::Relay => relay::reconcile(context, &key.name).await,
        Kind::Tenant => tenant::reconcile(context, &key.name).await,
        Kind::Agent => agent::reconcile(context, &key.name).await,
    }
}
