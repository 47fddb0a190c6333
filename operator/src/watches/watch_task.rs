//! Keeps one store equal to the cluster: lists a kind, follows its watch, and lists again when the
//! API server no longer has the version.
//!
//! kube's watcher is not used because it hides bookmarks. They are the sign of life of a kind where
//! nothing changes, and the list tells what was deleted in a gap.

use std::ops::ControlFlow;
use std::time::Duration;

use daemon::error_chain;
use futures::StreamExt as _;
use kube::api::{ListParams, WatchParams};
use tokio::time::Instant;

use super::sync_state::{STUCK_TIMEOUT, StoreSync};
use super::watch_source::{Decoded, Observation, WatchSource};
use crate::jitter::Jitter;
use crate::metrics::Metrics;

/// Longest time that a watch is silent before it is started again. The API server sends a bookmark
/// every minute.
const SILENCE_TIMEOUT: Duration = Duration::from_secs(70);
/// Bounds one page of a list, and the start of a watch.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(20);
/// How long the API server keeps a watch open, in seconds. It ends a longer one anyway.
const WATCH_TTL_SECONDS: u32 = 290;
/// Number of objects in one page of a list. A page of whole objects is about 2 MiB.
const LIST_PAGE_MAX: u32 = 500;
/// Delay after the first failure, and after a watch that ended at once.
const BASE_RETRY_INTERVAL: Duration = Duration::from_millis(200);
/// Longest delay between two attempts.
const MAX_RETRY_INTERVAL: Duration = Duration::from_secs(15);

const _: () = assert!(
    SILENCE_TIMEOUT.as_secs() + REQUEST_TIMEOUT.as_secs() < STUCK_TIMEOUT.as_secs(),
    "a lost connection must not make a store count as stuck"
);

/// What a watch fills.
pub(super) trait WatchSink<K>: Send + 'static {
    /// The complete list of objects.
    fn listed(&mut self, objects: Vec<Decoded<K>>);
    fn applied(&mut self, object: Decoded<K>);
    fn deleted(&mut self, object: Decoded<K>);
}

/// A watch and what it fills.
pub(super) struct WatchTask<K, S, W> {
    /// The plural name of the kind, for logs and metrics.
    pub name: &'static str,
    pub source: S,
    pub sink: W,
    pub label_selector: Option<String>,
    pub sync: StoreSync,
    pub metrics: Metrics,
    pub jitter: Jitter,
    pub kind: std::marker::PhantomData<fn(K)>,
}

/// Why a watch ended.
enum WatchEnd {
    /// The API server no longer has the version.
    Expired,
    /// An event could not be read.
    Garbled(serde_json::Error),
    /// It continues after the version.
    Closed,
    Failed(Box<dyn std::error::Error + Send + Sync>),
}

impl<K: Send + 'static, S: WatchSource<K>, W: WatchSink<K>> WatchTask<K, S, W> {
    /// Runs until it is dropped.
    pub(super) async fn run(mut self) {
        let (mut version, mut failures) = (None, 0_u32);
        loop {
            let begun = Instant::now();
            let end = match version.take() {
                None => match self.list().await {
                    Ok(listed) => {
                        (version, failures) = (Some(listed), 0);
                        continue;
                    }
                    Err(error) => WatchEnd::Failed(error),
                },
                Some(mut at) => {
                    let end = self.follow(&mut at).await;
                    let must_list = matches!(end, WatchEnd::Expired | WatchEnd::Garbled(_));
                    version = (!must_list).then_some(at);
                    end
                }
            };
            failures = if begun.elapsed() > MAX_RETRY_INTERVAL { 0 } else { failures.saturating_add(1) };
            let delay = retry_delay(failures, self.jitter.draw());
            match end {
                WatchEnd::Closed => {}
                WatchEnd::Expired => tracing::info!(watch = self.name, "the watch expired; listing again"),
                WatchEnd::Garbled(error) => self.tell_failure(&error),
                WatchEnd::Failed(error) => self.tell_failure(&*error),
            }
            tokio::time::sleep(delay).await;
        }
    }

    fn tell_failure(&self, error: &(dyn std::error::Error + 'static)) {
        self.metrics.watch_failures.with_label_values(&[self.name]).inc();
        tracing::warn!(watch = self.name, error = error_chain(error), "watch failed; retrying");
    }

    /// Lists all pages into the sink. Returns the version of the list.
    async fn list(&mut self) -> Result<String, Box<dyn std::error::Error + Send + Sync>> {
        let (mut objects, mut next) = (Vec::new(), None);
        loop {
            let params = ListParams {
                label_selector: self.label_selector.clone(),
                limit: Some(LIST_PAGE_MAX),
                continue_token: next.take(),
                ..ListParams::default()
            };
            let page = tokio::time::timeout(REQUEST_TIMEOUT, self.source.list(&params)).await??;
            self.sync.heard();
            objects.extend(page.objects);
            match page.next.filter(|next| !next.is_empty()) {
                Some(found) => next = Some(found),
                None => {
                    self.sink.listed(objects);
                    self.sync.synced();
                    return Ok(page.resource_version);
                }
            }
        }
    }

    /// Follows a watch until it ends. `version` is that of the last event.
    async fn follow(&mut self, version: &mut String) -> WatchEnd {
        let params = WatchParams {
            label_selector: self.label_selector.clone(),
            timeout: Some(WATCH_TTL_SECONDS),
            bookmarks: true,
            ..WatchParams::default()
        };
        let started = tokio::time::timeout(REQUEST_TIMEOUT, self.source.watch(&params, version)).await;
        let mut events = match started {
            Ok(Ok(events)) => events,
            Ok(Err(kube::Error::Api(status))) if status.code == 410 => return WatchEnd::Expired,
            Ok(Err(error)) => return WatchEnd::Failed(Box::new(error)),
            Err(elapsed) => return WatchEnd::Failed(Box::new(elapsed)),
        };
        self.sync.heard();
        loop {
            let event = match tokio::time::timeout(SILENCE_TIMEOUT, events.next()).await {
                Ok(Some(Ok(event))) => event,
                // An event that is no object at all would come again after the same version.
                Ok(Some(Err(kube::Error::SerdeError(error)))) => return WatchEnd::Garbled(error),
                Ok(Some(Err(error))) => return WatchEnd::Failed(Box::new(error)),
                Ok(None) => return WatchEnd::Closed,
                Err(elapsed) => return WatchEnd::Failed(Box::new(elapsed)),
            };
            self.sync.heard();
            let (observation, at) = event;
            if let ControlFlow::Break(end) = self.take(observation) {
                return end;
            }
            *version = at.filter(|at| !at.is_empty()).unwrap_or_else(|| std::mem::take(version));
        }
    }

    fn take(&mut self, observation: Observation<K>) -> ControlFlow<WatchEnd> {
        match observation {
            Observation::Applied(object) => self.sink.applied(object),
            Observation::Deleted(object) => self.sink.deleted(object),
            Observation::Bookmark => {}
            Observation::Failed(status) if status.code == 410 => {
                return ControlFlow::Break(WatchEnd::Expired);
            }
            Observation::Failed(status) => {
                return ControlFlow::Break(WatchEnd::Failed(Box::new(kube::Error::Api(status))));
            }
        }
        ControlFlow::Continue(())
    }
}

/// The delay after `failures` attempts in succession. `jitter` is a fraction from 0 to 1.
fn retry_delay(failures: u32, jitter: f64) -> Duration {
    let ceiling = BASE_RETRY_INTERVAL.saturating_mul(1 << failures.min(10)).min(MAX_RETRY_INTERVAL);
    if failures == 0 { Duration::ZERO } else { ceiling.mul_f64(0.5 + jitter.clamp(0.0, 1.0) / 2.0) }
}

#[cfg(test)]
mod tests;
