//! Records from one watch when each object reached a state.

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

/// The first time each object was seen in the state.
#[derive(Debug, Default)]
pub struct ReadySince(HashMap<String, Instant>);

impl ReadySince {
    fn see(&mut self, object: &DynamicObject, reached: impl Fn(&DynamicObject) -> bool, now: Instant) {
        if reached(object) {
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

/// Watches until `count` objects of the group are Ready.
///
/// # Errors
/// They are not within `limit`; the text says how many are.
pub async fn all_ready(
    api: Api<DynamicObject>,
    group: Option<&str>,
    count: usize,
    limit: Duration,
) -> anyhow::Result<ReadySince> {
    all_reach(api, group, count, limit, objects::is_ready).await
}

/// Watches until `count` objects of the group were seen in the state that `reached` tells.
///
/// # Errors
/// They were not within `limit`; the text says how many were.
pub async fn all_reach(
    api: Api<DynamicObject>,
    group: Option<&str>,
    count: usize,
    limit: Duration,
    reached: impl Fn(&DynamicObject) -> bool,
) -> anyhow::Result<ReadySince> {
    let mut since = ReadySince::default();
    let watched = tokio::time::timeout(limit, watch(api, group, count, &mut since, reached)).await;
    watched
        .with_context(|| format!("{} of {count} are there after {} s", since.count(), limit.as_secs()))??;
    Ok(since)
}

async fn watch(
    api: Api<DynamicObject>,
    group: Option<&str>,
    count: usize,
    since: &mut ReadySince,
    reached: impl Fn(&DynamicObject) -> bool,
) -> anyhow::Result<()> {
    let mut config = watcher::Config::default();
    if let Some(group) = group {
        config = config.labels(&format!("{}={group}", objects::GROUP_LABEL));
    }
    let mut objects = pin!(watcher(api, config).default_backoff().applied_objects());
    while since.count() < count {
        // The watcher starts again by itself after an error, with a growing pause; the caller's
        // limit ends that.
        match objects.try_next().await {
            Ok(Some(object)) => since.see(&object, &reached, Instant::now()),
            Ok(None) => anyhow::bail!("the watch ended"),
            Err(error) => tracing::warn!(%error, "watch"),
        }
    }
    Ok(())
}
