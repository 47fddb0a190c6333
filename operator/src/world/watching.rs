//! The tasks behind the stores: one watch each, restarted with backoff, until the process ends.

use std::fmt::Debug;
use std::sync::Arc;

use crds::label;
use futures::StreamExt as _;
use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::core::PartialObjectMeta;
use kube::runtime::reflector::{self, Store};
use kube::runtime::watcher::{self, Event};
use kube::runtime::{WatchStreamExt as _, watcher as watch};
use kube::{Api, Client, Resource, ResourceExt as _};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::changes::{self, Changes};
use super::{Ours, Waker};
use crate::apply::{ChildKey, Marks};
use crate::error::chain;
use crate::key::Name;
use crate::queue::Lane;

pub(super) struct Watches<'a> {
    pub client: &'a Client,
    pub tasks: &'a daemon::Tasks,
    pub readiness: &'a daemon::Readiness,
}

/// What a watched object must be able to do.
pub(super) trait Watched:
    Resource<DynamicType = ()> + Clone + Debug + Serialize + DeserializeOwned + Send + Sync + 'static
{
}

impl<K> Watched for K where
    K: Resource<DynamicType = ()> + Clone + Debug + Serialize + DeserializeOwned + Send + Sync + 'static
{
}

impl Watches<'_> {
    /// Our own kinds: they wake themselves and their dependents.
    pub(super) fn ours<K: Watched + Ours>(&self, task: &'static str, waker: &Waker) -> Store<K> {
        let (waker, changes) = (waker.clone(), Changes::default());
        self.start(task, watcher::Config::default(), move |event, store| {
            on_ours(event, store, &waker, &changes)
        })
    }

    /// Objects we own: they leave a mark by which a foreign change is noticed, and wake their owner when it is another one.
    pub(super) fn owned<K: Watched>(&self, task: &'static str, waker: &Waker, marks: &Arc<Marks>) {
        self.marked::<K>(task, waker, marks, false);
    }

    /// Workloads we own, whose status their owner tells: each change wakes it.
    pub(super) fn workloads<K: Watched>(
        &self,
        task: &'static str,
        waker: &Waker,
        marks: &Arc<Marks>,
    ) -> Store<K> {
        self.marked(task, waker, marks, true)
    }

    fn marked<K: Watched>(
        &self,
        task: &'static str,
        waker: &Waker,
        marks: &Arc<Marks>,
        tells_status: bool,
    ) -> Store<K> {
        let (waker, marks) = (waker.clone(), Arc::clone(marks));
        let config = watcher::Config::default().labels(&format!("{}={}", label::MANAGED_BY, label::MANAGER));
        self.start(task, config, move |event: &Event<K>, store: &Store<K>| match event {
            Event::Apply(object) => {
                if marks.seen(object) || tells_status {
                    waker.wake_owner(object);
                }
            }
            Event::Delete(object) => {
                marks.gone(&ChildKey::of(object));
                waker.wake_owner(object);
            }
            Event::InitDone => {
                for object in store.state() {
                    marks.seen(object.as_ref());
                    waker.wake_owner(object.as_ref());
                }
            }
            Event::Init | Event::InitApply(_) => {}
        })
    }

    /// Namespaces: their labels decide consent.
    pub(super) fn namespaces(
        &self,
        task: &'static str,
        waker: &Waker,
    ) -> Store<PartialObjectMeta<Namespace>> {
        let waker = waker.clone();
        let mut labels = std::collections::HashMap::new();
        self.start(task, watcher::Config::default(), move |event: &Event<PartialObjectMeta<Namespace>>, _| {
            let Event::Apply(namespace) = event else { return };
            let now = changes::hash(namespace.labels());
            if labels.insert(namespace.name_any(), now) != Some(now) {
                waker.wake_namespace(&namespace.name_any());
            }
        })
    }

    /// Endpoints of relays: a relay that became ready is told what it should know.
    pub(super) fn endpoint_slices(&self, task: &'static str, waker: &Waker) -> Store<EndpointSlice> {
        let waker = waker.clone();
        let config = watcher::Config::default().labels(label::RELAY);
        self.start(
            task,
            config,
            move |event: &Event<EndpointSlice>, store: &Store<EndpointSlice>| match event {
                Event::Apply(slice) | Event::Delete(slice) => waker.wake_owner(slice),
                Event::InitDone => store.state().iter().for_each(|slice| waker.wake_owner(slice.as_ref())),
                Event::Init | Event::InitApply(_) => {}
            },
        )
    }

    fn start<K: Watched>(
        &self,
        task: &'static str,
        config: watcher::Config,
        mut on: impl FnMut(&Event<K>, &Store<K>) + Send + 'static,
    ) -> Store<K> {
        let (store, writer) = reflector::store();
        let check = self.readiness.check(task, "the first list has not come yet");
        let events = watch(Api::<K>::all(self.client.clone()), config).default_backoff().modify(prune);
        let events = reflector::reflector(writer, events);
        let seen = store.clone();
        let shutdown = self.tasks.shutdown().clone();
        self.tasks.spawn_vital(task, async move {
            let mut events = std::pin::pin!(events.take_until(shutdown.begun()));
            while let Some(event) = events.next().await {
                match event {
                    Ok(event) => {
                        if matches!(event, Event::InitDone) {
                            check.pass();
                        }
                        on(&event, &seen);
                    }
                    Err(error) => {
                        tracing::warn!(watch = task, error = chain(&error), "watch failed; it is tried again")
                    }
                }
            }
        });
        store
    }
}

fn prune<K: Resource>(object: &mut K) {
    object.managed_fields_mut().clear();
    object.annotations_mut().remove("kubectl.kubernetes.io/last-applied-configuration");
}

fn on_ours<K: Watched + Ours>(event: &Event<K>, store: &Store<K>, waker: &Waker, changes: &Changes) {
    match event {
        Event::Apply(object) => {
            waker.index.insert(object);
            wake(object, waker, changes);
        }
        Event::Delete(object) => {
            waker.index.remove(object);
            changes.forget(&Name::of(object));
            waker.queue.add(Name::of(object).key(K::KIND), Lane::Urgent);
            object.wake_dependents(waker);
        }
        Event::InitDone => {
            waker.index.clear(K::KIND);
            changes.clear();
            let objects = store.state();
            objects.iter().for_each(|object| waker.index.insert(object.as_ref()));
            objects.iter().for_each(|object| wake(object.as_ref(), waker, changes));
        }
        Event::Init | Event::InitApply(_) => {}
    }
}

fn wake<K: Ours>(object: &K, waker: &Waker, changes: &Changes) {
    let changed = changes.note(object);
    if changed.itself {
        let lane = if object.is_urgent() { Lane::Urgent } else { Lane::Normal };
        waker.queue.add(Name::of(object).key(K::KIND), lane);
    }
    if changed.for_dependents {
        object.wake_dependents(waker);
    }
}
