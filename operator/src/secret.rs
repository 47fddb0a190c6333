//! Reads and writes Secrets of the operator. Writes use a resourceVersion, and never change a
//! Secret of another owner.

use std::collections::BTreeMap;

use crds::label;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::api::PostParams;
use kube::{Api, Client};
use zeroize::Zeroizing;

use crate::error::{Error, Result};
use crate::object_key::NamespacedName;

/// What exists under a Secret's name.
pub enum Found {
    None,
    Ours(Box<Secret>),
    /// A Secret of another owner or purpose. Its content is not used, and it is never overwritten.
    Foreign,
}

/// Reads a Secret. `kind` is one of the `SECRET_*` values of [`label`].
///
/// # Errors
/// Errors of the API server.
pub async fn read(client: &Client, name: &NamespacedName, kind: &str, owner_uid: &str) -> Result<Found> {
    let api = Api::<Secret>::namespaced(client.clone(), &name.namespace);
    let found = api.get_opt(&name.name).await.map_err(Error::cluster(format!("read Secret {name}")))?;
    Ok(match found {
        None => Found::None,
        Some(secret) if label::is_ours(&secret, kind, owner_uid) => Found::Ours(Box::new(secret)),
        Some(_) => Found::Foreign,
    })
}

/// Creates `desired`, or replaces `found` with it. Labels and annotations of others are kept. An
/// unchanged Secret costs no request.
///
/// # Errors
/// [`Error::NameTaken`] for a Secret of another owner, a conflict when the Secret changed since it
/// was read, and other errors of the API server.
pub async fn write(client: &Client, found: &Found, desired: Secret) -> Result<Secret> {
    let name = NamespacedName::from_object(&desired);
    let api = Api::<Secret>::namespaced(client.clone(), &name.namespace);
    let params =
        PostParams { field_manager: Some(crate::apply::FIELD_MANAGER.to_owned()), ..PostParams::default() };
    match found {
        Found::None => {
            api.create(&params, &desired).await.map_err(Error::cluster(format!("create Secret {name}")))
        }
        Found::Ours(current) => {
            let next = overlay(current, desired);
            if next == **current {
                return Ok(next);
            }
            api.replace(&name.name, &params, &next)
                .await
                .map_err(Error::cluster(format!("replace Secret {name}")))
        }
        Found::Foreign => Err(Error::NameTaken { kind: "Secret".into(), name: name.to_string() }),
    }
}

/// `current` with the labels, annotations, owner and data of `desired`. It keeps its
/// resourceVersion, so that a write in between is a conflict.
fn overlay(current: &Secret, desired: Secret) -> Secret {
    let mut next = current.clone();
    next.metadata.labels.get_or_insert_default().extend(desired.metadata.labels.unwrap_or_default());
    next.metadata
        .annotations
        .get_or_insert_default()
        .extend(desired.metadata.annotations.unwrap_or_default());
    next.metadata.owner_references = desired.metadata.owner_references;
    next.data = desired.data;
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

    #[test]
    fn labels_of_others_survive_and_an_unchanged_secret_is_equal() {
        let current: Secret = serde_json::from_value(serde_json::json!({
            "metadata": {"name": "a", "namespace": "b", "resourceVersion": "7", "labels": {"mine": "1", "ours": "2"}},
            "data": {"token": "YQ=="},
        }))
        .unwrap();
        let desired: Secret = serde_json::from_value(serde_json::json!({
            "metadata": {"name": "a", "namespace": "b", "labels": {"ours": "2"}}, "data": {"token": "YQ=="},
        }))
        .unwrap();
        assert_eq!(overlay(&current, desired), current);
    }
}
