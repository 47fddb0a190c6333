//! Watches a kind in all namespaces, or in the namespaces of the settings, as one stream of events.

use std::collections::VecDeque;
use std::fmt::Debug;

use futures::StreamExt as _;
use futures::stream::{self, BoxStream, SelectAll};
use k8s_openapi::NamespaceResourceScope;
use kube::runtime::watcher::{self, Event};
use kube::runtime::{WatchStreamExt as _, watcher as watch_one};
use kube::{Api, Client, Resource};
use serde::de::DeserializeOwned;

use merge::{Merge, Step};

mod merge;

/// Events with the number of the watch that they are from.
type NumberedEvents<K> = BoxStream<'static, watcher::Result<(usize, Event<K>)>>;
type Events<K> = BoxStream<'static, watcher::Result<Event<K>>>;

/// Watches with backoff. With a list of namespaces, each has a watch of its own, because rights for
/// a namespace do not cover a watch of all. The stream then says that a list is complete when every
/// namespace has been listed, so that a missing right leaves everything unknown.
pub(super) fn watch<K>(client: &Client, namespaces: &[String], config: &watcher::Config) -> Events<K>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + Clone
        + Debug
        + DeserializeOwned
        + Send
        + 'static,
{
    if namespaces.is_empty() {
        return watch_one(Api::<K>::all(client.clone()), config.clone()).default_backoff().boxed();
    }
    let (client, namespaces, config) = (client.clone(), namespaces.to_vec(), config.clone());
    let start = move || {
        let watches = namespaces.iter().enumerate().map(|(source, namespace)| {
            let api = Api::<K>::namespaced(client.clone(), namespace);
            let events = watch_one(api, config.clone()).default_backoff();
            events.map(move |event| event.map(|event| (source, event))).boxed()
        });
        Merged { merge: Merge::new(namespaces.len()), watches: stream::select_all(watches) }
    };
    merged(start).boxed()
}

/// The watches of all namespaces since they were started.
struct Merged<K> {
    merge: Merge<K>,
    watches: SelectAll<NumberedEvents<K>>,
}

/// Starts every watch again when one of them lists again, because only a whole list tells which
/// objects are gone.
fn merged<K: Resource + Send + 'static>(
    start: impl Fn() -> Merged<K> + Send + 'static,
) -> impl futures::Stream<Item = watcher::Result<Event<K>>> + Send + 'static {
    let first = start();
    stream::unfold((start, first, VecDeque::new()), |(start, mut current, mut ready)| async move {
        loop {
            if let Some(event) = ready.pop_front() {
                return Some((Ok(event), (start, current, ready)));
            }
            match current.watches.next().await? {
                Ok((source, event)) => match current.merge.step(source, event) {
                    Step::Emit(events) => ready.extend(events),
                    Step::Restart => current = start(),
                },
                Err(error) => return Some((Err(error), (start, current, ready))),
            }
        }
    })
}
