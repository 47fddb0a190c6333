//! Reads and writes Secrets of the operator. Writes use a resourceVersion, and never change a
//! Secret of another owner.
//!
//! A write says of every member what happens to it, and members that it does not name are kept. So
//! nothing disappears because the operator does not know it yet.

use std::collections::BTreeMap;

use crds::label;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::PostParams;
use kube::{Api, Client};
use zeroize::Zeroizing;

use crate::context::Context;
use crate::error::{Error, Result};
use crate::fingerprints::ChildKey;
use crate::object_key::NamespacedName;
use crate::ownership::{self, Ownership};

/// What exists under a Secret's name.
pub enum Found {
    None,
    Ours(Box<Secret>),
    /// The operator made it for this purpose, and its owner no longer exists. It is adopted if its
    /// content fits.
    Orphan(Box<Secret>),
    /// A Secret of another owner or purpose. Its content is not used, and it is never overwritten.
    Foreign,
}

impl Found {
    /// The Secret that may be used: one of this owner, or one without a living owner.
    #[must_use]
    pub fn usable(&self) -> Option<&Secret> {
        match self {
            Self::Ours(held) | Self::Orphan(held) => Some(held),
            Self::None | Self::Foreign => None,
        }
    }
}

/// What happens to a member of a Secret.
#[derive(Clone, PartialEq, Eq)]
pub enum Member {
    /// Its value is not known. The stored one stays.
    Keep,
    Set(Zeroizing<String>),
    Remove,
}

impl Member {
    #[must_use]
    pub fn set(value: &str) -> Self {
        Self::Set(Zeroizing::new(value.to_owned()))
    }

    /// Sets a value, or removes the member if it is known that there is none.
    #[must_use]
    pub fn set_or_remove(value: Option<&str>) -> Self {
        value.map_or(Self::Remove, Self::set)
    }

    /// Sets a value, or keeps the stored one if none is known.
    #[must_use]
    pub fn set_or_keep(value: Option<&str>) -> Self {
        value.map_or(Self::Keep, Self::set)
    }
}

/// The desired state of a Secret.
#[derive(Clone)]
pub struct SecretUpdate {
    pub metadata: ObjectMeta,
    pub type_: &'static str,
    pub members: BTreeMap<&'static str, Member>,
}

/// Reads a Secret. `kind` is one of the `SECRET_*` values of [`label`]. An orphan counts as
/// foreign.
///
/// # Errors
/// Errors of the API server.
pub async fn read(client: &Client, name: &NamespacedName, kind: &str, owner_uid: &str) -> Result<Found> {
    Ok(match get(client, name).await? {
        None => Found::None,
        Some(secret) if label::is_ours(&secret, kind, owner_uid) => Found::Ours(Box::new(secret)),
        Some(_) => Found::Foreign,
    })
}

/// Whether to ask for a Secret that the watch does not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reading {
    /// No. A Secret that exists nevertheless is noticed when it is created.
    TrustWatch,
    Always,
}

/// Reads a Secret that may be adopted. The caller checks whether the content of an orphan fits.
///
/// # Errors
/// Errors of the API server.
pub async fn find(
    context: &Context,
    name: &NamespacedName,
    kind: &str,
    owner_uid: &str,
    reading: Reading,
) -> Result<Found> {
    if reading == Reading::TrustWatch
        && context.caches.fingerprints.resource_version::<Secret>(name).is_none()
    {
        return Ok(Found::None);
    }
    let Some(secret) = get(&context.client, name).await? else { return Ok(Found::None) };
    let is_alive = |reference: &_| context.caches.is_living_owner(&name.namespace, reference);
    Ok(match ownership::of_secret(&secret, kind, owner_uid, is_alive) {
        Ownership::Ours => Found::Ours(Box::new(secret)),
        Ownership::Orphan => Found::Orphan(Box::new(secret)),
        Ownership::Foreign => Found::Foreign,
    })
}

async fn get(client: &Client, name: &NamespacedName) -> Result<Option<Secret>> {
    let api = Api::<Secret>::namespaced(client.clone(), &name.namespace);
    api.get_opt(&name.name).await.map_err(Error::cluster(format!("read Secret {name}")))
}

/// Creates `desired`, or replaces `found` with it. Labels and annotations of others are kept, and
/// members that `desired` does not have are removed. An unchanged Secret costs no request.
///
/// # Errors
/// [`Error::NameTaken`] for a Secret of another owner, a conflict when the Secret changed since it
/// was read, and other errors of the API server.
pub async fn write(context: &Context, found: &Found, desired: Secret) -> Result<Secret> {
    let next = match found.usable() {
        Some(current) => {
            let mut next = overlay(current, desired.metadata);
            next.data = desired.data;
            next
        }
        None => desired,
    };
    send_changed(context, found, next).await
}

/// Creates a Secret, or changes the members of `found` as `desired` says. Labels, annotations and
/// members of others are kept. An unchanged Secret costs no request.
///
/// # Errors
/// As [`write`].
pub async fn update(context: &Context, found: &Found, desired: SecretUpdate) -> Result<Secret> {
    send_changed(context, found, merge(found.usable(), desired)).await
}

async fn send_changed(context: &Context, found: &Found, next: Secret) -> Result<Secret> {
    if found.usable() == Some(&next) {
        return Ok(next);
    }
    let name = NamespacedName::from_object(&next);
    // The event of this write reconciles nobody.
    let writing = context.caches.fingerprints.begin_write(ChildKey::from_object(&next));
    let written = send(&context.client, &name, found, next).await?;
    writing.finish(&written, None);
    Ok(written)
}

async fn send(client: &Client, name: &NamespacedName, found: &Found, next: Secret) -> Result<Secret> {
    let api = Api::<Secret>::namespaced(client.clone(), &name.namespace);
    let params =
        PostParams { field_manager: Some(crate::apply::FIELD_MANAGER.to_owned()), ..PostParams::default() };
    match found {
        Found::None => {
            api.create(&params, &next).await.map_err(Error::cluster(format!("create Secret {name}")))
        }
        Found::Ours(_) | Found::Orphan(_) => api
            .replace(&name.name, &params, &next)
            .await
            .map_err(Error::cluster(format!("replace Secret {name}"))),
        Found::Foreign => Err(Error::NameTaken { kind: "Secret".into(), name: name.to_string() }),
    }
}

/// The Secret after an update. `current` is the stored one.
#[must_use]
pub fn merge(current: Option<&Secret>, desired: SecretUpdate) -> Secret {
    let mut next = match current {
        Some(current) => overlay(current, desired.metadata),
        None => {
            Secret { metadata: desired.metadata, type_: Some(desired.type_.to_owned()), ..Secret::default() }
        }
    };
    let data = next.data.get_or_insert_default();
    for (name, member) in desired.members {
        match member {
            Member::Keep => {}
            Member::Set(value) => drop(data.insert(name.to_owned(), ByteString(value.as_bytes().to_vec()))),
            Member::Remove => drop(data.remove(name)),
        }
    }
    next
}

/// `current` with the labels, annotations and owner of `desired`. It keeps its resourceVersion, so
/// that a write in between is a conflict.
fn overlay(current: &Secret, desired: ObjectMeta) -> Secret {
    let mut next = current.clone();
    next.metadata.labels.get_or_insert_default().extend(desired.labels.unwrap_or_default());
    next.metadata.annotations.get_or_insert_default().extend(desired.annotations.unwrap_or_default());
    next.metadata.owner_references = desired.owner_references;
    if next.metadata.annotations.as_ref().is_some_and(BTreeMap::is_empty) {
        next.metadata.annotations = None;
    }
    next
}

/// A value of a Secret as text. `None` if it is missing or not UTF-8.
#[must_use]
pub fn text(secret: &Secret, key: &str) -> Option<Zeroizing<String>> {
    let bytes = secret.data.as_ref()?.get(key)?;
    std::str::from_utf8(&bytes.0).ok().map(|text| Zeroizing::new(text.to_owned()))
}

/// The data of a Secret from text values.
#[must_use]
pub fn data<'a>(values: impl IntoIterator<Item = (&'a str, &'a str)>) -> BTreeMap<String, ByteString> {
    values.into_iter().map(|(key, value)| (key.to_owned(), ByteString(value.as_bytes().to_vec()))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored(members: &[(&str, &str)]) -> Secret {
        let mut secret: Secret = serde_json::from_value(serde_json::json!({
            "metadata": {"name": "a", "namespace": "b", "resourceVersion": "7", "labels": {"mine": "1", "ours": "2"}},
        }))
        .unwrap();
        secret.data = Some(data(members.iter().copied()));
        secret
    }

    fn update_of(members: &[(&'static str, Member)]) -> SecretUpdate {
        let metadata = serde_json::json!({"name": "a", "namespace": "b", "labels": {"ours": "2"}});
        SecretUpdate {
            metadata: serde_json::from_value(metadata).unwrap(),
            type_: "Opaque",
            members: members.iter().cloned().collect(),
        }
    }

    #[test]
    fn labels_of_others_survive_and_an_unchanged_secret_is_equal() {
        let current = stored(&[("token", "a")]);
        assert_eq!(merge(Some(&current), update_of(&[("token", Member::set("a"))])), current);
    }

    #[test]
    fn a_member_disappears_only_if_the_update_removes_it() {
        let current = stored(&[("token", "a"), ("ca.crt", "PEM"), ("of-somebody-else", "b"), ("gone", "c")]);
        let members = [("token", Member::set("new")), ("ca.crt", Member::Keep), ("gone", Member::Remove)];
        let next = merge(Some(&current), update_of(&members));
        assert_eq!(
            next.data.unwrap(),
            data([("token", "new"), ("ca.crt", "PEM"), ("of-somebody-else", "b")])
        );
    }

    #[test]
    fn a_new_secret_has_the_members_that_are_set() {
        let members = [("token", Member::set("a")), ("ca.crt", Member::Keep), ("gone", Member::Remove)];
        let made = merge(None, update_of(&members));
        assert_eq!((made.data.unwrap(), made.type_.as_deref()), (data([("token", "a")]), Some("Opaque")));
    }
}
