//! Reads pages and events of one kind. Each wait for the API server has a limit.

use std::time::Duration;

use futures::StreamExt as _;
use kube::api::{ListParams, WatchParams};

use super::sync_state::{STUCK_TIMEOUT, StoreSync};
use super::watch_source::{Events, ListPage, ListedNames, Versioned, WatchSource};

/// Longest time that a watch is silent before it is started again. The API server sends a bookmark
/// every 60 to 75 seconds.
const SILENCE_TIMEOUT: Duration = Duration::from_secs(78);
/// Bounds one page of a list, and the start of a watch.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(20);
/// Bounds the list of all names. The pages of the objects, which are read after it, say the same.
const NAMES_TIMEOUT: Duration = Duration::from_secs(5);
/// How long the API server keeps a watch open, in seconds. It ends a longer one anyway.
const WATCH_TTL_SECONDS: u32 = 290;
/// Number of objects in one page of a list. A page of whole objects is about 2 MiB.
const LIST_PAGE_MAX: u32 = 500;

const _: () = assert!(
    SILENCE_TIMEOUT.as_secs() + REQUEST_TIMEOUT.as_secs() < STUCK_TIMEOUT.as_secs(),
    "a lost connection must not make a store count as stuck"
);

pub(super) type WatchError = Box<dyn std::error::Error + Send + Sync>;

/// The requests for one kind.
pub(super) struct WatchReader<S> {
    pub source: S,
    pub label_selector: Option<String>,
    pub sync: StoreSync,
}

/// Where a watch continues.
pub(super) struct Position<K> {
    /// That of the last event, or of the list.
    pub version: String,
    /// The watch after it, if one is open.
    pub events: Option<Events<K>>,
}

/// Why a watch ended.
pub(super) enum WatchEnd {
    /// The API server no longer has the version.
    Expired,
    /// An event could not be read.
    Garbled(serde_json::Error),
    /// It continues after the version.
    Closed,
    Failed(WatchError),
}

impl<S> WatchReader<S> {
    /// One page of a list.
    ///
    /// # Errors
    /// That of the API server, or none in time.
    pub(super) async fn page<K>(&self, continue_token: Option<String>) -> Result<ListPage<K>, WatchError>
    where
        S: WatchSource<K>,
    {
        let params = ListParams {
            label_selector: self.label_selector.clone(),
            limit: Some(LIST_PAGE_MAX),
            continue_token,
            ..ListParams::default()
        };
        let page = tokio::time::timeout(REQUEST_TIMEOUT, self.source.list(&params)).await??;
        self.sync.heard();
        Ok(page)
    }

    /// The names of all objects. `None`: they are not known.
    pub(super) async fn names<K>(&self) -> Option<ListedNames>
    where
        S: WatchSource<K>,
    {
        let params = ListParams { label_selector: self.label_selector.clone(), ..ListParams::default() };
        let listed = tokio::time::timeout(NAMES_TIMEOUT, self.source.names(&params)).await;
        let names = listed.ok()?.ok()??;
        self.sync.heard();
        Some(names)
    }

    /// The next event. A call that is dropped loses none.
    ///
    /// # Errors
    /// Why the watch ended.
    pub(super) async fn next_event<K>(&self, position: &mut Position<K>) -> Result<Versioned<K>, WatchEnd>
    where
        S: WatchSource<K>,
    {
        let events = match &mut position.events {
            Some(events) => events,
            closed => closed.insert(self.open(&position.version).await?),
        };
        let event = match tokio::time::timeout(SILENCE_TIMEOUT, events.next()).await {
            Ok(Some(Ok(event))) => event,
            // An event that is no object at all would come again after the same version.
            Ok(Some(Err(kube::Error::SerdeError(error)))) => return Err(WatchEnd::Garbled(error)),
            Ok(Some(Err(error))) => return Err(WatchEnd::Failed(Box::new(error))),
            Ok(None) => return Err(WatchEnd::Closed),
            Err(elapsed) => return Err(WatchEnd::Failed(Box::new(elapsed))),
        };
        self.sync.heard();
        if let Some(version) = event.1.as_ref().filter(|version| !version.is_empty()) {
            position.version.clone_from(version);
        }
        Ok(event)
    }

    async fn open<K>(&self, version: &str) -> Result<Events<K>, WatchEnd>
    where
        S: WatchSource<K>,
    {
        let params = WatchParams {
            label_selector: self.label_selector.clone(),
            timeout: Some(WATCH_TTL_SECONDS),
            bookmarks: true,
            ..WatchParams::default()
        };
        let started = tokio::time::timeout(REQUEST_TIMEOUT, self.source.watch(&params, version)).await;
        let events = match started {
            Ok(Ok(events)) => events,
            Ok(Err(kube::Error::Api(status))) if status.code == 410 => return Err(WatchEnd::Expired),
            Ok(Err(error)) => return Err(WatchEnd::Failed(Box::new(error))),
            Err(elapsed) => return Err(WatchEnd::Failed(Box::new(elapsed))),
        };
        self.sync.heard();
        Ok(events)
    }
}
