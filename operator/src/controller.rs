//! The workers: take an object from the queue, reconcile it, and decide when it is reconciled
//! again.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use daemon::error_chain;
use kube::Resource;
use tokio::time::Instant;
use tracing::Instrument as _;

use crate::apply::Child;
use crate::backoff;
use crate::conditions::HasConditions;
use crate::context::Context;
use crate::error::{Category, Error, Result};
use crate::object_key::{Kind, ObjectKey};
use crate::paused;
use crate::queue::{NextPass, QueuedKey, WorkerKind};
use crate::relay_api::RelayError;
use crate::{agent, relay, tenant};

/// Bounds one reconcile, so that a request that hangs does not block a worker.
const RECONCILE_TIMEOUT: Duration = Duration::from_secs(30);
/// Interval before a reconcile that timed out is tried again.
const TIMED_OUT_RETRY_INTERVAL: Duration = Duration::from_secs(5);
/// A reconcile that asks to run again within this time is not done, and keeps its priority. A later
/// one waits for something that is due, such as a certificate.
const UNFINISHED_INTERVAL: Duration = Duration::from_secs(60);

/// What a person changes of an object: its uid, its generation, and whether it is paused.
type ObjectState = (Option<String>, Option<i64>, bool);

/// Consecutive failures for each object in its present state. The first success removes an entry.
#[derive(Debug, Default)]
pub struct Failures(Mutex<HashMap<ObjectKey, (u32, ObjectState)>>);

impl Failures {
    /// Counts a failure. An object that was put right, or goes on after a pause, begins anew: what
    /// failed before says nothing about it.
    fn count(&self, key: &ObjectKey, state: ObjectState) -> u32 {
        let mut map = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = map.entry(key.clone()).or_default();
        let former = if entry.1 == state { entry.0 } else { 0 };
        *entry = (former.saturating_add(1), state);
        entry.0
    }

    /// Forgets all failures, when a term begins.
    pub fn forget_all(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    fn clear(&self, key: &ObjectKey) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
    }
}

/// The state of an object as the caches have it.
fn object_state(context: &Context, key: &ObjectKey) -> ObjectState {
    fn of(object: Option<Arc<impl Resource>>) -> ObjectState {
        let Some(object) = object else { return ObjectState::default() };
        let meta = object.meta();
        (meta.uid.clone(), meta.generation, paused::is_paused(&*object))
    }
    match key.kind {
        Kind::Relay => of(context.caches.relay(&key.name)),
        Kind::Tenant => of(context.caches.tenant(&key.name)),
        Kind::Agent => of(context.caches.agent(&key.name)),
    }
}

/// Runs one worker until shutdown. It finishes the object that it has. Cancel safe.
pub async fn work(
    context: Context,
    worker: WorkerKind,
    failures: Arc<Failures>,
    shutdown: &daemon::Shutdown,
) {
    loop {
        let queued = tokio::select! {
            biased;
            () = shutdown.begun() => return,
            queued = context.queue.next(worker) => queued,
        };
        let QueuedKey { key, priority, waited } = queued;
        context.metrics.waited(priority, waited);
        let taken = TakenKey { context: &context, key: Some(key.clone()) };
        let span = tracing::info_span!("reconcile", object.kind = key.kind.as_str(), object.name = %key.name);
        context.clock_steps.compare();
        let next = reconcile_once(&context, &failures, &key).instrument(span).await;
        let next = earlier_by(next, context.clock_steps.compare());
        taken.finish(next);
        context.metrics.queue_waiting.set(i64::try_from(context.queue.queued()).unwrap_or(i64::MAX));
    }
}

/// Returns the key to the queue even if the worker is dropped during a reconcile.
struct TakenKey<'a> {
    context: &'a Context,
    key: Option<ObjectKey>,
}

impl TakenKey<'_> {
    fn finish(mut self, next: NextPass) {
        if let Some(key) = self.key.take() {
            self.context.queue.finish(key, next);
        }
    }
}

impl Drop for TakenKey<'_> {
    fn drop(&mut self) {
        if let Some(key) = self.key.take() {
            self.context.queue.finish(key, NextPass::Retry(Duration::ZERO));
        }
    }
}

/// Reconciles once. Returns when the object is reconciled again.
async fn reconcile_once(context: &Context, failures: &Failures, key: &ObjectKey) -> NextPass {
    let begun = Instant::now();
    let result = tokio::time::timeout(RECONCILE_TIMEOUT, reconcile(context, key)).await;
    context.metrics.reconciled(key.kind, begun.elapsed());
    match result {
        Ok(Ok(delay)) => {
            failures.clear(key);
            next_pass(delay, context.jitter.draw())
        }
        Ok(Err(error)) => NextPass::Retry(on_failure(context, failures, key, &error)),
        Err(_) => {
            context.metrics.failed(key.kind, Category::Timeout);
            tracing::warn!(timeout_seconds = RECONCILE_TIMEOUT.as_secs(), "reconcile timed out; retrying");
            failures.count(key, object_state(context, key));
            NextPass::Retry(TIMED_OUT_RETRY_INTERVAL)
        }
    }
}

/// When an object is reconciled again that asked for it after `delay`. `jitter` is a fraction from
/// 0 to 1.
fn next_pass(delay: Option<Duration>, jitter: f64) -> NextPass {
    match delay {
        None => NextPass::OnEvent,
        Some(delay) if delay <= UNFINISHED_INTERVAL => NextPass::Retry(backoff::jittered(delay, jitter)),
        Some(delay) => NextPass::After(backoff::jittered(delay, jitter)),
    }
}

/// The next pass when the wall clock was set forward during this one, which computed the delay.
fn earlier_by(next: NextPass, step: Option<Duration>) -> NextPass {
    match (next, step) {
        (NextPass::After(delay), Some(step)) => NextPass::After(delay.saturating_sub(step)),
        (next, _) => next,
    }
}

fn on_failure(context: &Context, failures: &Failures, key: &ObjectKey, error: &Error) -> Duration {
    let category = error.category();
    context.metrics.failed(key.kind, category);
    let failures = failures.count(key, object_state(context, key));
    let delay = backoff::delay(category, failures, context.jitter.draw());
    let is_busy = matches!(error, Error::Relay(RelayError::Busy(_)));
    let (error, retry_seconds) = (error_chain(error), delay.as_secs_f64());
    match category {
        _ if is_busy => tracing::debug!(error, retry_seconds, "the relay has other requests to answer"),
        Category::Conflict => tracing::debug!(error, "the object changed since it was read; retrying"),
        _ => tracing::warn!(error, category = category.as_str(), retry_seconds, "reconcile failed"),
    }
    delay
}

/// Returns the delay before the next reconcile. `None` waits for an event.
async fn reconcile(context: &Context, key: &ObjectKey) -> Result<Option<Duration>> {
    if context.caches.is_unknown(key) {
        tracing::warn!("the object or one that it refers to cannot be decoded; leaving it as it is");
        return Ok(None);
    }
    if report_pause(context, key).await? {
        return match key.kind {
            Kind::Relay => relay::reconcile_paused(context, &key.name).await,
            Kind::Tenant | Kind::Agent => Ok(None),
        };
    }
    match key.kind {
        Kind::Relay => relay::reconcile(context, &key.name).await,
        Kind::Tenant => tenant::reconcile(context, &key.name).await,
        Kind::Agent => agent::reconcile(context, &key.name).await,
    }
}

/// Reports that an object is paused. Returns whether it is.
async fn report_pause(context: &Context, key: &ObjectKey) -> Result<bool> {
    let caches = &context.caches;
    match key.kind {
        Kind::Relay => pause(context, caches.relay(&key.name)).await,
        Kind::Tenant => pause(context, caches.tenant(&key.name)).await,
        Kind::Agent => pause(context, caches.agent(&key.name)).await,
    }
}

async fn pause<K: HasConditions + Child>(context: &Context, object: Option<Arc<K>>) -> Result<bool> {
    let Some(object) = object.filter(|object| paused::is_paused(&**object)) else { return Ok(false) };
    paused::report(context, &*object).await.map(|()| true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::object_key::NamespacedName;

    #[test]
    fn an_object_that_somebody_changed_is_tried_again_as_if_it_had_never_failed() {
        let (failures, key) = (Failures::default(), NamespacedName::new("platform", "main").key(Kind::Relay));
        let state = |generation, is_paused| (Some("uid".to_owned()), Some(generation), is_paused);
        let counts = [(1, true), (1, true), (1, false), (1, false), (2, false), (2, false)];
        let counts = counts.map(|(generation, is_paused)| failures.count(&key, state(generation, is_paused)));
        assert_eq!(counts, [1, 2, 1, 2, 1, 2]);
        failures.clear(&key);
        assert_eq!(failures.count(&key, state(2, false)), 1);
    }

    #[test]
    fn a_delay_that_was_computed_before_the_clock_was_set_forward_is_shorter() {
        let seconds = Duration::from_secs;
        let after = |step| earlier_by(NextPass::After(seconds(100)), step);
        assert_eq!(after(None), NextPass::After(seconds(100)));
        assert_eq!(after(Some(seconds(40))), NextPass::After(seconds(60)));
        assert_eq!(after(Some(seconds(400))), NextPass::After(seconds(0)));
        let retry = NextPass::Retry(seconds(100));
        assert_eq!(earlier_by(retry, Some(seconds(40))), retry);
    }

    #[test]
    fn a_pass_that_is_not_done_keeps_its_priority_and_nobody_comes_back_at_the_same_time() {
        let seconds = Duration::from_secs;
        assert_eq!(next_pass(None, 0.5), NextPass::OnEvent);
        assert_eq!(next_pass(Some(seconds(2)), 0.0), NextPass::Retry(seconds(2)));
        assert_eq!(next_pass(Some(seconds(20)), 1.0), NextPass::Retry(seconds(24)));
        assert_eq!(next_pass(Some(seconds(61)), 0.0), NextPass::After(seconds(61)));
    }
}
