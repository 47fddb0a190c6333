//! The watch tasks: one for each kind. A failed watch restarts with backoff until shutdown.

use std::fmt::Debug;
use std::sync::Arc;

use crds::label;
use daemon::error_chain;
use futures::{Stream, StreamExt as _};
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::core::PartialObjectMeta;
use kube::runtime::reflector::{self, Store};
use kube::runtime::watcher::{self, Event};
use kube::runtime::{WatchStreamExt as _, watcher as watch};
use kube::{Api, Client, Resource, ResourceExt as _};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::change_filter::{self, ChangeFilter};
use super::enqueuer::Enqueuer;
use super::reconciled_kind::ReconciledKind;
use super::scope;
use crate::apply::{ChildKey, Fingerprints};
use crate::object_key::NamespacedName;
use crate::queue::Priority;

/// What every watch task gets.
pub(super) struct WatchTasks<'a> {
    pub client: &'a Client,
    /// The namespaces to watch. Empty: all.
    pub namespaces: &'a [String],
    pub tasks: &'a daemon::Tasks,
    pub readiness: &'a daemon::Readiness,
    pub enqueuer: &'a Enqueuer,
    pub fingerprints: &'a Arc<Fingerprints>,
}

/// The bounds of a kind that can be watched.
pub(super) trait Watched:
    Resource<DynamicType = ()> + Clone + Debug + Serialize + DeserializeOwned + Send + Sync + 'static
{
}

impl<K> Watched for K where
    K: Resource<DynamicType = ()> + Clone + Debug + Serialize + DeserializeOwned + Send + Sync + 'static
{
}

/// The bounds of a kind whose objects are in namespaces.
pub(super) trait WatchedInNamespaces: Watched + Resource<Scope = NamespaceResourceScope> {}

impl<K> WatchedInNamespaces for K where K: Watched + Resource<Scope = NamespaceResourceScope> {}

impl WatchTasks<'_> {
    /// Watches a kind that the operator reconciles. A change enqueues the object and its
    /// dependents.
    pub(super) fn reconciled<K: WatchedInNamespaces + ReconciledKind>(&self, task: &'static str) -> Store<K> {
        let (enqueuer, filter) = (self.enqueuer.clone(), ChangeFilter::default());
        self.start_scoped(task, watcher::Config::default(), move |event, store| {
            on_reconciled(event, store, &enqueuer, &filter)
        })
    }

    /// Watches an owned kind. An object whose fingerprint changed enqueues its owner.
    pub(super) fn owned<K: WatchedInNamespaces>(&self, task: &'static str) {
        self.fingerprinted::<K>(task, false);
    }

    /// Watches owned workloads. Every change enqueues the owner, because its status reports theirs.
    pub(super) fn workloads<K: WatchedInNamespaces>(&self, task: &'static str) -> Store<K> {
        self.fingerprinted(task, true)
    }

    fn fingerprinted<K: WatchedInNamespaces>(
        &self,
        task: &'static str,
        is_status_reported: bool,
    ) -> Store<K> {
        let (enqueuer, fingerprints) = (self.enqueuer.clone(), Arc::clone(self.fingerprints));
        let config = watcher::Config::default().labels(&format!("{}={}", label::MANAGED_BY, label::MANAGER));
        self.start_scoped(task, config, move |event: &Event<K>, store: &Store<K>| match event {
            Event::Apply(object) => {
                if fingerprints.update(object) || is_status_reported {
                    enqueuer.enqueue_owner(object);
                }
            }
            Event::Delete(object) => {
                fingerprints.forget(&ChildKey::from_object(object));
                enqueuer.enqueue_owner(object);
            }
            Event::InitDone => {
                for object in store.state() {
                    fingerprints.update(object.as_ref());
                    enqueuer.enqueue_owner(object.as_ref());
                }
            }
            Event::Init | Event::InitApply(_) => {}
        })
    }

    /// Watches namespaces. A change of labels may grant or revoke consent.
    pub(super) fn namespaces(&self, task: &'static str) -> Store<PartialObjectMeta<Namespace>> {
        let enqueuer = self.enqueuer.clone();
        let mut labels = std::collections::HashMap::new();
        let events = watch(Api::all(self.client.clone()), watcher::Config::default()).default_backoff();
        self.start(task, events, move |event: &Event<PartialObjectMeta<Namespace>>, _| {
            let Event::Apply(namespace) = event else { return };
            let now = change_filter::hash(namespace.labels());
            if labels.insert(namespace.name_any(), now) != Some(now) {
                enqueuer.enqueue_namespace(&namespace.name_any());
            }
        })
    }

    /// Watches the endpoint slices of relays. A relay pod that became ready must be written to.
    pub(super) fn endpoint_slices(&self, task: &'static str) -> Store<EndpointSlice> {
        let enqueuer = self.enqueuer.clone();
        let config = watcher::Config::default().labels(label::RELAY);
        self.start_scoped(task, config, move |event: &Event<EndpointSlice>, store: &Store<EndpointSlice>| {
            match event {
                Event::Apply(slice) | Event::Delete(slice) => enqueuer.enqueue_owner(slice),
                Event::InitDone => {
                    store.state().iter().for_each(|slice| enqueuer.enqueue_owner(slice.as_ref()));
                }
                Event::Init | Event::InitApply(_) => {}
            }
        })
    }

    fn start_scoped<K: WatchedInNamespaces>(
        &self,
        task: &'static str,
        config: watcher::Config,
        on_event: impl FnMut(&Event<K>, &Store<K>) + Send + 'static,
    ) -> Store<K> {
        self.start(task, scope::watch(self.client, self.namespaces, &config), on_event)
    }

    fn start<K: Watched>(
        &self,
        task: &'static str,
        events: impl Stream<Item = watcher::Result<Event<K>>> + Send + 'static,
        mut on_event: impl FnMut(&Event<K>, &Store<K>) + Send + 'static,
    ) -> Store<K> {
        let (store, writer) = reflector::store();
        let check = self.readiness.check(task, "the first list has not arrived yet");
        let events = reflector::reflector(writer, events.modify(prune));
        let cache = store.clone();
        let shutdown = self.tasks.shutdown().clone();
        self.tasks.spawn_vital(task, async move {
            let mut events = std::pin::pin!(events.take_until(shutdown.begun()));
            while let Some(event) = events.next().await {
                match event {
                    Ok(event) => {
                        if matches!(event, Event::InitDone) {
                            check.pass();
                        }
                        on_event(&event, &cache);
                    }
                    Err(error) => {
                        tracing::warn!(watch = task, error = error_chain(&error), "watch failed; retrying")
                    }
                }
            }
        });
        store
    }
}

/// Drops the large metadata that nothing here reads, before an object is cached.
fn prune<K: Resource>(object: &mut K) {
    object.managed_fields_mut().clear();
    object.annotations_mut().remove("kubectl.kubernetes.io/last-applied-configuration");
}

fn on_reconciled<K: Watched + ReconciledKind>(
    event: &Event<K>,
    store: &Store<K>,
    enqueuer: &Enqueuer,
    filter: &ChangeFilter,
) {
    match event {
        Event::Apply(object) => {
            enqueuer.index.insert(object);
            enqueue(object, enqueuer, filter);
        }
        Event::Delete(object) => {
            let name = NamespacedName::from_object(object);
            enqueuer.index.remove(object);
            filter.forget(&name);
            enqueuer.queue.add(name.key(K::KIND), Priority::Urgent);
            object.enqueue_dependents(enqueuer);
        }
        Event::InitDone => {
            enqueuer.index.clear(K::KIND);
            filter.clear();
            let objects = store.state();
            objects.iter().for_each(|object| enqueuer.index.insert(object.as_ref()));
            objects.iter().for_each(|object| enqueue(object.as_ref(), enqueuer, filter));
        }
        Event::Init | Event::InitApply(_) => {}
    }
}

fn enqueue<K: ReconciledKind>(object: &K, enqueuer: &Enqueuer, filter: &ChangeFilter) {
    let change = filter.update(object);
    if change.for_itself {
        let priority = if object.is_urgent() { Priority::Urgent } else { Priority::Normal };
        enqueuer.queue.add(NamespacedName::from_object(object).key(K::KIND), priority);
    }
    if change.for_dependents {
        object.enqueue_dependents(enqueuer);
    }
}
