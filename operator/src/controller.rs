//! The workers: take an object from the queue, reconcile it, and decide when it is reconciled
//! again.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use daemon::error_chain;
use tokio::time::Instant;
use tracing::Instrument as _;

use crate::backoff;
use crate::context::Context;
use crate::error::{Category, Error, Result};
use crate::object_key::{Kind, ObjectKey};
use crate::{agent, relay, tenant};

/// Bounds one reconcile, so that a request that hangs does not block a worker.
const RECONCILE_TIMEOUT: Duration = Duration::from_secs(30);
/// Interval before a reconcile that timed out is tried again.
const TIMED_OUT_RETRY_INTERVAL: Duration = Duration::from_secs(5);

/// Consecutive failures for each object. The first success removes an entry.
#[derive(Debug, Default)]
pub struct Failures(Mutex<HashMap<ObjectKey, u32>>);

impl Failures {
    fn count(&self, key: &ObjectKey) -> u32 {
        let mut map = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = map.entry(key.clone()).or_default();
        *count = count.saturating_add(1);
        *count
    }

    fn clear(&self, key: &ObjectKey) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
    }
}

/// Runs one worker until shutdown. It finishes the object that it has. Cancel safe.
pub async fn work(context: Context, failures: Arc<Failures>, shutdown: &daemon::Shutdown) {
    loop {
        let key = tokio::select! {
            biased;
            () = shutdown.begun() => return,
            key = context.queue.next() => key,
        };
        let taken = TakenKey { context: &context, key: Some(key) };
        let Some(key) = taken.key.clone() else { continue };
        let span = tracing::info_span!("reconcile", object.kind = key.kind.as_str(), object.name = %key.name);
        let delay = reconcile_once(&context, &failures, &key).instrument(span).await;
        taken.finish(delay);
        context.metrics.queue_waiting.set(i64::try_from(context.queue.queued()).unwrap_or(i64::MAX));
    }
}

/// Returns the key to the queue even if the worker is dropped during a reconcile.
struct TakenKey<'a> {
    context: &'a Context,
    key: Option<ObjectKey>,
}

impl TakenKey<'_> {
    fn finish(mut self, delay: Option<Duration>) {
        if let Some(key) = self.key.take() {
            self.context.queue.finish(key, delay);
        }
    }
}

impl Drop for TakenKey<'_> {
    fn drop(&mut self) {
        if let Some(key) = self.key.take() {
            self.context.queue.finish(key, Some(Duration::ZERO));
        }
    }
}

/// Reconciles once. Returns the delay before the next reconcile.
async fn reconcile_once(context: &Context, failures: &Failures, key: &ObjectKey) -> Option<Duration> {
    let begun = Instant::now();
    let result = tokio::time::timeout(RECONCILE_TIMEOUT, reconcile(context, key)).await;
    context.metrics.reconciled(key.kind, begun.elapsed());
    match result {
        Ok(Ok(delay)) => {
            failures.clear(key);
            delay
        }
        Ok(Err(error)) => Some(on_failure(context, failures, key, &error)),
        Err(_) => {
            tracing::warn!(timeout_seconds = RECONCILE_TIMEOUT.as_secs(), "reconcile timed out; retrying");
            failures.count(key);
            Some(TIMED_OUT_RETRY_INTERVAL)
        }
    }
}

fn on_failure(context: &Context, failures: &Failures, key: &ObjectKey, error: &Error) -> Duration {
    let category = error.category();
    context.metrics.failed(key.kind, category);
    let delay = backoff::delay(category, failures.count(key), rand::random());
    let (error, retry_seconds) = (error_chain(error), delay.as_secs_f64());
    match category {
        Category::Conflict => tracing::debug!(error, "the object changed since it was read; retrying"),
        _ => tracing::warn!(error, category = category.as_str(), retry_seconds, "reconcile failed"),
    }
    delay
}

/// Returns the delay before the next reconcile. `None` waits for an event.
async fn reconcile(context: &Context, key: &ObjectKey) -> Result<Option<Duration>> {
    match key.kind {
        Kind::Relay => relay::reconcile(context, &key.name).await,
        Kind::Tenant => tenant::reconcile(context, &key.name).await,
        Kind::Agent => agent::reconcile(context, &key.name).await,
    }
}
