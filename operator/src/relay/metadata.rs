//! Metadata of the objects of a Relay.

use std::collections::BTreeMap;

use crds::{Relay, label};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::ResourceExt as _;

use crate::{component, pod};

/// Metadata of a Secret. `kind` is one of the `SECRET_*` values of [`label`].
pub(super) fn secret_metadata(relay: &Relay, name: &str, kind: &str) -> ObjectMeta {
    let mut labels = labels(relay);
    labels.insert(label::SECRET_KIND.into(), kind.into());
    let mut metadata = pod::owned_by(relay, name.to_owned(), labels);
    let domain = (label::RELAY_DOMAIN.to_owned(), relay.spec.domain.clone());
    metadata.annotations.get_or_insert_default().extend([domain]);
    metadata
}

/// Metadata of every other object of the relay itself.
pub(super) fn metadata(relay: &Relay, name: String) -> ObjectMeta {
    pod::owned_by(relay, name, labels(relay))
}

/// Labels of every object of the relay itself.
pub(super) fn labels(relay: &Relay) -> BTreeMap<String, String> {
    pod::labels(label::RELAY, &relay.name_any(), component::RELAY)
}
