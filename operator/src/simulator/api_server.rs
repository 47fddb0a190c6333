//! A model of the Kubernetes API server, behind the real client of the operator.
//!
//! It keeps what the operator relies on: resource versions and conflicts, generations, lists in
//! pages, watches with bookmarks that expire, server-side apply with field managers, finalizers,
//! preconditions, owners and the garbage collector. It does not validate schemas or set defaults.

use std::sync::{Arc, Mutex};

use axum::body::Body;
use axum::http::Response;
use kube::Client;
use serde_json::{Value, json};
use tokio::sync::Notify;

mod api_failure;
mod api_request;
mod connection;
mod field_ownership;
mod flawed_object;
mod flawed_request;
mod label_selector;
pub(crate) mod model_kind;
pub(crate) mod object_store;
#[cfg(test)]
mod tests;
mod watch_stream;

use super::model_clock::ModelClock;
use super::network::ModelNetwork;
use api_failure::ApiFailure;
use api_request::{ApiRequest, ApiVerb};
use connection::ApiConnection;
use label_selector::LabelSelector;
use object_store::{ObjectId, ObjectStore};

/// Entries in a page when neither the request nor the seed says.
pub(crate) const PAGE_MAX: usize = 500;

/// Cheap to clone. Clones share the objects.
#[derive(Debug, Clone)]
pub(crate) struct ApiServer {
    store: Arc<Mutex<ObjectStore>>,
    /// Wakes watches in the order of waiting, so that a seed repeats itself.
    changed: Arc<Notify>,
    /// The most entries in a page. A server may give fewer than it is asked for.
    page_max: usize,
}

impl ApiServer {
    pub(crate) fn new(clock: ModelClock) -> Self {
        let store = ObjectStore::new(clock);
        Self { changed: Arc::default(), store: Arc::new(Mutex::new(store)), page_max: PAGE_MAX }
    }

    /// Gives at most `page_max` entries in a page.
    pub(crate) fn with_pages_of(self, page_max: usize) -> Self {
        Self { page_max, ..self }
    }

    /// A client whose requests go through `network`.
    pub(crate) fn client(&self, network: &ModelNetwork) -> Client {
        Client::new(self.connection(network), "default")
    }

    /// The service below a client, for clients with layers of their own.
    pub(crate) fn connection(&self, network: &ModelNetwork) -> ApiConnection {
        ApiConnection::new(self.clone(), network.clone())
    }

    /// Reads or changes objects without a request, as users, controllers and checks do.
    pub(crate) fn with<T>(&self, work: impl FnOnce(&mut ObjectStore) -> T) -> T {
        let mut store = self.store.lock().unwrap();
        let before = store.revision();
        let result = work(&mut store);
        let is_changed = store.revision() != before;
        drop(store);
        if is_changed {
            self.changed.notify_waiters();
        }
        result
    }

    /// Answers everything except watches.
    fn answer(&self, network: &ModelNetwork, request: &ApiRequest) -> Result<Response<Body>, ApiFailure> {
        let found = match request.verb {
            ApiVerb::List => {
                return self.list(network, request).map(|list| Response::new(Body::from(list.to_string())));
            }
            _ => self.with(|store| store.answer(request.sent, |store| answer_single(store, request)))?,
        };
        let text = if request.is_partial { partial(&found).to_string() } else { found.to_string() };
        Ok(Response::new(Body::from(text)))
    }

    /// One page. The token of the next one names the revision and the last object.
    fn list(&self, network: &ModelNetwork, request: &ApiRequest) -> Result<Value, ApiFailure> {
        let limit = request.parameter("limit").parse().unwrap_or(PAGE_MAX).min(self.page_max);
        let selector = LabelSelector::parse(request.parameter("labelSelector"));
        self.with(|store| {
            let (revision, skipped) = match request.parameter("continue").split_once('.') {
                Some((revision, skipped)) => (revision.parse().unwrap(), skipped.parse().unwrap()),
                None => (store.revision(), 0),
            };
            let objects = store.list_at(request.kind, &request.namespace, revision)?;
            let selected: Vec<_> =
                objects.into_iter().filter(|(_, object)| selector.matches(object)).collect();
            let page = selected.iter().skip(skipped).take(limit);
            let shown = |object: &Value| {
                let object = flawed_object::shown(network, object);
                if request.is_partial { partial(&object) } else { object.into_owned() }
            };
            let items: Vec<Value> = page.map(|(_, object)| shown(object)).collect();
            let end = skipped + items.len();
            let next = if end < selected.len() { format!("{revision}.{end}") } else { String::new() };
            let (version, kind) = if request.is_partial {
                ("meta.k8s.io/v1".to_owned(), "PartialObjectMetadataList".to_owned())
            } else {
                (request.kind.api_version(), format!("{}List", request.kind.kind))
            };
            let metadata = json!({"resourceVersion": revision.to_string(), "continue": next});
            Ok(json!({"apiVersion": version, "kind": kind, "metadata": metadata, "items": items}))
        })
    }
}

fn answer_single(store: &mut ObjectStore, request: &ApiRequest) -> Result<Arc<Value>, ApiFailure> {
    let id = ObjectId::new(request.kind, &request.namespace, &request.name);
    let named = request.parameter("fieldManager");
    let manager = if named.is_empty() { "unknown" } else { named };
    let is_status = request.is_status;
    match request.verb {
        ApiVerb::Create => store.create(request.kind, &request.namespace, manager, request.json()?),
        ApiVerb::Replace => store.replace(&id, is_status, manager, request.json()?),
        ApiVerb::MergePatch => store.merge_patch(&id, is_status, manager, &request.json()?),
        ApiVerb::Apply => {
            let force = request.parameter("force") == "true";
            store.apply(&id, is_status, named, force, &request.json()?)
        }
        ApiVerb::Delete => {
            let options = if request.body.is_empty() { Value::Null } else { request.json()? };
            store.delete(&id, manager, &options)
        }
        ApiVerb::Get | ApiVerb::List | ApiVerb::Watch => store.get(&id),
    }
}

/// The object as `PartialObjectMetadata`.
fn partial(object: &Value) -> Value {
    json!({"apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadata", "metadata": object["metadata"]})
}
