//! Watches: a stream of the changes after a revision, with bookmarks.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::Response;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::api_failure::ApiFailure;
use super::api_request::ApiRequest;
use super::flawed_object;
use super::label_selector::LabelSelector;
use super::model_kind::ModelKind;
use super::object_store::ObjectChange;
use super::{ApiServer, partial};
use crate::simulator::flaw::Flaw;
use crate::simulator::network::ModelNetwork;

/// Interval between two bookmarks of an idle watch.
const BOOKMARK_INTERVAL: Duration = Duration::from_secs(60);

struct WatchState {
    server: ApiServer,
    network: ModelNetwork,
    kind: &'static ModelKind,
    namespace: String,
    selector: LabelSelector,
    is_partial: bool,
    /// The last revision that was looked at.
    revision: u64,
    begun: Instant,
    ends: Instant,
    has_bookmarks: bool,
    next_bookmark: Instant,
    is_ending: bool,
}

/// Answers a watch request.
pub(super) fn open(server: ApiServer, network: ModelNetwork, request: &ApiRequest) -> Response<Body> {
    let timeout = request.parameter("timeoutSeconds").parse().unwrap_or(290);
    let Ok(revision) = request.parameter("resourceVersion").parse() else {
        return ApiFailure::bad_request("a watch without a resourceVersion is not modelled").response();
    };
    let state = WatchState {
        kind: request.kind,
        namespace: request.namespace.clone(),
        selector: LabelSelector::parse(request.parameter("labelSelector")),
        is_partial: request.is_partial,
        revision,
        begun: Instant::now(),
        ends: Instant::now() + Duration::from_secs(timeout),
        has_bookmarks: request.parameter("allowWatchBookmarks") == "true",
        next_bookmark: Instant::now() + BOOKMARK_INTERVAL,
        is_ending: false,
        server,
        network,
    };
    let stream = futures::stream::unfold(state, async |mut state| {
        state.next().await.map(|text| (Ok::<_, std::io::Error>(Bytes::from(text)), state))
    });
    Response::new(Body::from_stream(stream))
}

impl WatchState {
    /// The next lines. `None` ends the stream.
    async fn next(&mut self) -> Option<String> {
        loop {
            if self.network.is_cut() || self.network.is_silent(self.kind.plural, self.begun) {
                std::future::pending::<()>().await;
            }
            if self.is_ending || Instant::now() >= self.ends || self.network.has_ended(self.begun) {
                return None;
            }
            match self.lines() {
                Err(failure) => {
                    self.is_ending = true;
                    return Some(line("ERROR", &failure.status()));
                }
                Ok(lines) if !lines.is_empty() => {
                    self.is_ending = self.network.ends_watch();
                    return Some(lines);
                }
                Ok(_) => {}
            }
            if self.has_bookmarks && Instant::now() >= self.next_bookmark {
                self.next_bookmark = Instant::now() + BOOKMARK_INTERVAL;
                return Some(self.bookmark());
            }
            self.wait().await;
        }
    }

    /// Waits for a change, a fault, the end of a lag, the next bookmark or the end.
    async fn wait(&self) {
        let lagging = self.network.watch_lag(self.kind.plural).map(|(until, _)| until);
        let pending = self.first_pending();
        let wake = [Some(self.ends), Some(self.next_bookmark), lagging, pending].into_iter().flatten().min();
        let wake = wake.unwrap_or(self.ends).max(Instant::now() + Duration::from_millis(1));
        tokio::select! {
            biased;
            () = self.server.changed.notified() => {}
            () = self.network.changed() => {}
            () = tokio::time::sleep_until(wake) => {}
        }
    }

    /// When the first change that is held back becomes visible.
    fn first_pending(&self) -> Option<Instant> {
        let (_, lag) = self.network.watch_lag(self.kind.plural)?;
        let at = self
            .server
            .with(|store| store.changes_after(self.revision).ok()?.first().map(|change| change.at))?;
        Some(at + lag)
    }

    /// The events of the changes that are visible now.
    fn lines(&mut self) -> Result<String, ApiFailure> {
        let lag = self.network.watch_lag(self.kind.plural).map_or(Duration::ZERO, |(_, lag)| lag);
        let server = self.server.clone();
        server.with(|store| {
            let mut lines = String::new();
            for change in store.changes_after(self.revision)? {
                if change.at + lag > Instant::now() {
                    break;
                }
                self.revision = change.revision;
                if change.id.kind == self.kind
                    && (self.namespace.is_empty() || self.namespace == change.id.namespace)
                {
                    lines.extend(self.event(change));
                }
            }
            Ok(lines)
        })
    }

    /// An object that is no longer selected counts as deleted.
    fn event(&self, change: &ObjectChange) -> Option<String> {
        let selected = |object: &Option<Arc<Value>>| {
            object.as_ref().filter(|object| self.selector.matches(object)).cloned()
        };
        let (kind, object) = match (selected(&change.before), selected(&change.after)) {
            (None, Some(after)) => ("ADDED", after),
            (Some(_), _) if self.is_drift_unseen() => return None,
            (Some(_), Some(after)) if self.counts_as_deleted(&after) => ("DELETED", after),
            (Some(_), Some(after)) => ("MODIFIED", after),
            (Some(_), None) if self.network.flaw() == Some(Flaw::ForgottenDeletion) => return None,
            (Some(before), None) => ("DELETED", before),
            (None, None) => return None,
        };
        let object = flawed_object::shown(&self.network, &object);
        let mut object = if self.is_partial { partial(&object) } else { object.into_owned() };
        object["metadata"]["resourceVersion"] = change.revision.to_string().into();
        Some(line(kind, &object))
    }

    fn counts_as_deleted(&self, object: &Value) -> bool {
        self.network.flaw() == Some(Flaw::MissingWhenUndecodable) && object["spec"].is_string()
    }

    fn is_drift_unseen(&self) -> bool {
        let is_child = matches!(self.kind.plural, "services" | "configmaps" | "serviceaccounts");
        is_child && self.network.flaw() == Some(Flaw::UnseenDrift)
    }

    fn bookmark(&self) -> String {
        let (version, kind) = if self.is_partial {
            ("meta.k8s.io/v1".to_owned(), "PartialObjectMetadata")
        } else {
            (self.kind.api_version(), self.kind.kind)
        };
        let metadata = json!({"resourceVersion": self.revision.to_string(), "creationTimestamp": null});
        line("BOOKMARK", &json!({"apiVersion": version, "kind": kind, "metadata": metadata}))
    }
}

fn line(kind: &str, object: &Value) -> String {
    let mut text = json!({"type": kind, "object": object}).to_string();
    text.push('\n');
    text
}
