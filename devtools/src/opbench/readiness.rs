//! Records from one watch when each Agent became Ready.

use std::collections::HashMap;
use std::pin::pin;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use futures::TryStreamExt as _;
use kube::Api;
use kube::ResourceExt as _;
use kube::core::DynamicObject;
use kube::runtime::{WatchStreamExt as _, watcher};

use super::objects;

/// The first time each object was seen Ready.
#[derive(Debug, Default)]
pub struct ReadySince(HashMap<String, Instant>);

impl ReadySince {
    pub fn see(&mut self, object: &DynamicObject, now: Instant) {
        if objects::is_ready(object) {
            self.0.entry(object.name_any()).or_insert(now);
        }
    }

    #[must_use]
    pub fn count(&self) -> usize {
        self.0.len()
    }

    #[must_use]
    pub fn get(&self, name: &str) -> Option<Instant> {
        self.0.get(name).copied()
    }
}

/// Watches until `count` objects are Ready.
///
/// # Errors
/// They are not within `limit`; the text says how many are.
pub async fn all_ready(api: Api<DynamicObject>, count: usize, limit: Duration) -> anyhow::Result<ReadySince> {
    let mut since = ReadySince::default();
    let watched = tokio::time::timeout(limit, watch(api, count, &mut since)).await;
    watched
        .with_context(|| format!("{} of {count} are Ready after {} s", since.count(), limit.as_secs()))??;
    Ok(since)
}

async fn watch(api: Api<DynamicObject>, count: usize, since: &mut ReadySince) -> anyhow::Result<()> {
    let mut objects = pin!(watcher(api, watcher::Config::default()).default_backoff().applied_objects());
    while since.count() < count {
        // The watcher starts again by itself after an error, with a growing pause; the caller's
        // limit ends that.
        match objects.try_next().await {
            Ok(Some(object)) => since.see(&object, Instant::now()),
            Ok(None) => anyhow::bail!("the watch ended"),
            Err(error) => tracing::warn!(%error, "watch"),
        }
    }
    Ok(())
}
