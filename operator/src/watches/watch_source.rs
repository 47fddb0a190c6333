//! Lists and watches one kind, as whole objects or as metadata.
//!
//! An object that cannot be decoded is an item of its own, so that it stops only itself.

use std::collections::BTreeSet;
use std::fmt::Debug;

use futures::future::BoxFuture;
use futures::stream::BoxStream;
use futures::{FutureExt as _, StreamExt as _, TryFutureExt as _};
use kube::api::{ListParams, Request, WatchParams};
use kube::core::{DeserializeGuard, PartialObjectMeta, Status, WatchEvent};
use kube::{Api, Client, Resource};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::object_key::NamespacedName;

pub(super) use kube::core::error_boundary::InvalidObject;

/// An object, or what is known about one that cannot be decoded.
pub(super) type Decoded<K> = Result<K, Box<InvalidObject>>;

/// A page of a list.
pub(super) struct ListPage<K> {
    pub objects: Vec<Decoded<K>>,
    /// Where the next page begins.
    pub next: Option<String>,
    pub resource_version: String,
}

/// The names of all objects.
pub(super) type ListedNames = BTreeSet<NamespacedName>;

/// One event of a watch.
pub(super) enum Observation<K> {
    Applied(Decoded<K>),
    Deleted(Decoded<K>),
    /// Nothing happened up to a version.
    Bookmark,
    Failed(Box<Status>),
}

/// An observation with the version after which a watch continues.
pub(super) type Versioned<K> = (Observation<K>, Option<String>);

/// The events of a watch.
pub(super) type Events<K> = BoxStream<'static, kube::Result<Versioned<K>>>;

/// Where the objects of a kind come from.
pub(super) trait WatchSource<K>: Send + Sync + 'static {
    fn list<'a>(&'a self, params: &'a ListParams) -> BoxFuture<'a, kube::Result<ListPage<K>>>;

    /// The names of all objects in one answer. `None`: it contains only some of them.
    fn names<'a>(&'a self, params: &'a ListParams) -> BoxFuture<'a, kube::Result<Option<ListedNames>>>;

    fn watch<'a>(
        &'a self,
        params: &'a WatchParams,
        version: &'a str,
    ) -> BoxFuture<'a, kube::Result<Events<K>>>;

    fn name(&self, object: &Decoded<K>) -> NamespacedName;
}

/// A kind that can be watched.
pub(super) trait Watched: Resource<DynamicType = ()> + Clone + Debug + Send + Sync + 'static {}

impl<K> Watched for K where K: Resource<DynamicType = ()> + Clone + Debug + Send + Sync + 'static {}

/// Whole objects.
pub(super) struct WholeObjects<K>(pub Api<DeserializeGuard<K>>);

impl<K: Watched + DeserializeOwned> WatchSource<K> for WholeObjects<K> {
    fn list<'a>(&'a self, params: &'a ListParams) -> BoxFuture<'a, kube::Result<ListPage<K>>> {
        let list = self.0.list(params).map_ok(|list| ListPage {
            objects: list.items.into_iter().map(unguarded).collect(),
            next: list.metadata.continue_,
            resource_version: list.metadata.resource_version.unwrap_or_default(),
        });
        list.boxed()
    }

    fn names<'a>(&'a self, params: &'a ListParams) -> BoxFuture<'a, kube::Result<Option<ListedNames>>> {
        list_names(self.0.clone().into_client(), self.0.resource_url(), params).boxed()
    }

    fn watch<'a>(
        &'a self,
        params: &'a WatchParams,
        version: &'a str,
    ) -> BoxFuture<'a, kube::Result<Events<K>>> {
        let decode = |event: WatchEvent<DeserializeGuard<K>>| observe(event, unguarded);
        self.0.watch(params, version).map_ok(move |events| versioned(events, decode)).boxed()
    }

    fn name(&self, object: &Decoded<K>) -> NamespacedName {
        name_of(object)
    }
}

fn unguarded<K>(guard: DeserializeGuard<K>) -> Decoded<K> {
    guard.0.map_err(Box::new)
}

/// Metadata only. It always decodes.
pub(super) struct MetadataOnly<K>(pub Api<K>);

impl<K: Watched + DeserializeOwned> WatchSource<PartialObjectMeta<K>> for MetadataOnly<K> {
    fn list<'a>(
        &'a self,
        params: &'a ListParams,
    ) -> BoxFuture<'a, kube::Result<ListPage<PartialObjectMeta<K>>>> {
        let list = self.0.list_metadata(params).map_ok(|list| ListPage {
            objects: list.items.into_iter().map(Ok).collect(),
            next: list.metadata.continue_,
            resource_version: list.metadata.resource_version.unwrap_or_default(),
        });
        list.boxed()
    }

    fn names<'a>(&'a self, params: &'a ListParams) -> BoxFuture<'a, kube::Result<Option<ListedNames>>> {
        list_names(self.0.clone().into_client(), self.0.resource_url(), params).boxed()
    }

    fn watch<'a>(
        &'a self,
        params: &'a WatchParams,
        version: &'a str,
    ) -> BoxFuture<'a, kube::Result<Events<PartialObjectMeta<K>>>> {
        let decode = |event: WatchEvent<PartialObjectMeta<K>>| observe(event, Ok);
        self.0.watch_metadata(params, version).map_ok(move |events| versioned(events, decode)).boxed()
    }

    fn name(&self, object: &Decoded<PartialObjectMeta<K>>) -> NamespacedName {
        name_of(object)
    }
}

/// A list of metadata, of which only the names are decoded.
#[derive(Deserialize)]
struct NameList {
    metadata: NameListMetadata,
    items: Vec<NamedItem>,
}

#[derive(Deserialize)]
struct NameListMetadata {
    #[serde(default)]
    r#continue: String,
}

#[derive(Deserialize)]
struct NamedItem {
    metadata: ItemName,
}

#[derive(Deserialize)]
struct ItemName {
    #[serde(default)]
    namespace: String,
    name: String,
}

async fn list_names(client: Client, url: &str, params: &ListParams) -> kube::Result<Option<ListedNames>> {
    let request = Request::new(url).list_metadata(params).map_err(kube::Error::BuildRequest)?;
    let NameList { metadata, items } = client.request(request).await?;
    let name = |item: NamedItem| NamespacedName::new(&item.metadata.namespace, &item.metadata.name);
    Ok(metadata.r#continue.is_empty().then(|| items.into_iter().map(name).collect()))
}

fn name_of<K: Resource>(object: &Decoded<K>) -> NamespacedName {
    let metadata = match object {
        Ok(object) => object.meta(),
        Err(invalid) => &invalid.metadata,
    };
    NamespacedName::new(
        metadata.namespace.as_deref().unwrap_or_default(),
        metadata.name.as_deref().unwrap_or_default(),
    )
}

fn versioned<E: 'static, K>(
    events: impl futures::Stream<Item = kube::Result<WatchEvent<E>>> + Send + 'static,
    decode: impl Fn(WatchEvent<E>) -> Versioned<K> + Send + Sync + 'static,
) -> Events<K> {
    events.map(move |event| event.map(&decode)).boxed()
}

fn observe<E, K: Resource>(event: WatchEvent<E>, decode: impl Fn(E) -> Decoded<K>) -> Versioned<K> {
    let version = |object: &Decoded<K>| match object {
        Ok(object) => object.meta().resource_version.clone(),
        Err(invalid) => invalid.metadata.resource_version.clone(),
    };
    match event {
        WatchEvent::Added(object) | WatchEvent::Modified(object) => {
            let object = decode(object);
            let version = version(&object);
            (Observation::Applied(object), version)
        }
        WatchEvent::Deleted(object) => {
            let object = decode(object);
            let version = version(&object);
            (Observation::Deleted(object), version)
        }
        WatchEvent::Bookmark(bookmark) => (Observation::Bookmark, Some(bookmark.metadata.resource_version)),
        WatchEvent::Error(status) => (Observation::Failed(status), None),
    }
}
