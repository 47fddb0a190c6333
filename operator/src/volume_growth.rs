//! Lets the volumes of a StatefulSet grow.
//!
//! The claim template of a StatefulSet is immutable, so it keeps the size of its creation, and the
//! claims themselves are expanded. A claim is read only while its StatefulSet does not exist or has
//! another size in its template, so a volume that never grew costs no request.

use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::PersistentVolumeClaim;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use kube::api::{Patch, PatchParams};
use kube::{Api, ResourceExt as _};

use crate::caches;
use crate::context::Context;
use crate::error::{Error, Result};
use crate::object_key::NamespacedName;

const STORAGE: &str = "storage";

/// A StatefulSet that the API server accepts, and why its volumes could not grow.
#[derive(Debug)]
pub struct GrownStatefulSet {
    pub stateful_set: StatefulSet,
    pub failure: Option<Error>,
}

/// Expands the claims of `desired` that are too small. A failure does not hold up the StatefulSet.
pub async fn converge(context: &Context, desired: StatefulSet) -> GrownStatefulSet {
    let name = NamespacedName::from_object(&desired);
    let observed = caches::find(&context.caches.stateful_sets, &name);
    let mut failure = None;
    if may_be_too_small(observed.as_deref(), &desired) {
        for claim in claim_names(&desired) {
            failure = failure.or(expand(context, &name.namespace, &claim, &desired).await.err());
        }
    }
    GrownStatefulSet { stateful_set: with_created_size(observed.as_deref(), desired), failure }
}

/// Expands one claim if it exists and is too small.
async fn expand(context: &Context, namespace: &str, claim: &str, desired: &StatefulSet) -> Result<()> {
    let api = Api::<PersistentVolumeClaim>::namespaced(context.client.clone(), namespace);
    let found = api.get_opt(claim).await;
    let found = found.map_err(Error::cluster(format!("read PersistentVolumeClaim {namespace}/{claim}")))?;
    let Some(size) = found.as_ref().and_then(|found| growth(found, size_of(desired)?)) else {
        return Ok(());
    };
    let change = serde_json::json!({"spec": {"resources": {"requests": {STORAGE: size}}}});
    let sent = api.patch(claim, &PatchParams::default(), &Patch::Merge(&change)).await;
    sent.map(drop).map_err(|source| Error::GrowVolume {
        claim: format!("{namespace}/{claim}"),
        size: size.0.clone(),
        source: Box::new(source),
    })
}

/// Whether a claim of the StatefulSet may be smaller than desired. A claim can be older than its
/// StatefulSet, because it may outlive it.
fn may_be_too_small(observed: Option<&StatefulSet>, desired: &StatefulSet) -> bool {
    let created = observed.and_then(size_of);
    created.is_none_or(|created| bytes(created) != size_of(desired).and_then(bytes))
}

/// The size that the claim gets, if it is smaller than `desired`. A claim never shrinks, and one
/// whose size cannot be read is left alone.
fn growth(claim: &PersistentVolumeClaim, desired: &Quantity) -> Option<Quantity> {
    let requests = claim.spec.as_ref()?.resources.as_ref()?.requests.as_ref()?;
    let (held, wanted) = (bytes(requests.get(STORAGE)?)?, bytes(desired)?);
    (held < wanted).then(|| desired.clone())
}

/// `desired` with the claim template's size of the StatefulSet that exists.
fn with_created_size(observed: Option<&StatefulSet>, mut desired: StatefulSet) -> StatefulSet {
    let created = observed.and_then(size_of).cloned();
    let template = desired.spec.as_mut().and_then(|spec| spec.volume_claim_templates.as_mut()?.first_mut());
    let resources = template.and_then(|claim| claim.spec.as_mut()?.resources.as_mut());
    if let (Some(created), Some(resources)) = (created, resources) {
        resources.requests.get_or_insert_default().insert(STORAGE.to_owned(), created);
    }
    desired
}

/// The size in the claim template.
fn size_of(set: &StatefulSet) -> Option<&Quantity> {
    let claim = set.spec.as_ref()?.volume_claim_templates.as_ref()?.first()?;
    claim.spec.as_ref()?.resources.as_ref()?.requests.as_ref()?.get(STORAGE)
}

/// The names of the claims, which Kubernetes derives from the claim template, the StatefulSet and
/// the number of the pod.
fn claim_names(set: &StatefulSet) -> Vec<String> {
    let spec = set.spec.as_ref();
    let templates = spec.and_then(|spec| spec.volume_claim_templates.as_deref()).unwrap_or_default();
    let pods = spec.and_then(|spec| spec.replicas).unwrap_or(1);
    let name =
        |template: &PersistentVolumeClaim, pod| format!("{}-{}-{pod}", template.name_any(), set.name_any());
    templates.iter().flat_map(|template| (0..pods).map(move |pod| name(template, pod))).collect()
}

/// The bytes of a quantity without a fraction. `None` for any other form.
fn bytes(quantity: &Quantity) -> Option<u128> {
    let text = quantity.0.as_str();
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, suffix) = text.split_at_checked(digits)?;
    let factor = match suffix {
        "" => 1,
        "k" => 1_000,
        "M" => 1_000_000,
        "G" => 1_000_000_000,
        "T" => 1_000_000_000_000,
        "Ki" => 1 << 10,
        "Mi" => 1 << 20,
        "Gi" => 1 << 30,
        "Ti" => 1 << 40,
        _ => return None,
    };
    number.parse::<u128>().ok()?.checked_mul(factor)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn set(size: &str) -> StatefulSet {
        serde_json::from_value(json!({
            "metadata": {"name": "main", "namespace": "platform"},
            "spec": {
                "replicas": 1, "serviceName": "main-pods", "selector": {}, "template": {},
                "volumeClaimTemplates": [{
                    "metadata": {"name": "data"},
                    "spec": {"resources": {"requests": {"storage": size}}},
                }],
            },
        }))
        .unwrap()
    }

    fn claim(size: &str) -> PersistentVolumeClaim {
        let spec = json!({"metadata": {}, "spec": {"resources": {"requests": {"storage": size}}}});
        serde_json::from_value(spec).unwrap()
    }

    fn grown(held: &str, wanted: &str) -> Option<String> {
        growth(&claim(held), &Quantity(wanted.into())).map(|size| size.0)
    }

    #[test]
    fn a_claim_grows_and_never_shrinks() {
        assert_eq!(grown("1Gi", "2Gi").as_deref(), Some("2Gi"));
        assert_eq!(grown("1536Mi", "2Gi").as_deref(), Some("2Gi"));
        assert_eq!(grown("2Gi", "2Gi"), None);
        assert_eq!(grown("2048Mi", "2Gi"), None);
        assert_eq!(grown("3Gi", "2Gi"), None, "somebody has expanded the claim by hand");
        assert_eq!(grown("2G", "2Gi").as_deref(), Some("2Gi"));
    }

    #[test]
    fn a_claim_whose_size_is_unknown_is_left_alone() {
        assert_eq!(grown("1.5Gi", "2Gi"), None);
        assert_eq!(growth(&PersistentVolumeClaim::default(), &Quantity("2Gi".into())), None);
    }

    #[test]
    fn the_claim_template_keeps_the_size_of_its_creation() {
        let kept = with_created_size(Some(&set("1Gi")), set("5Gi"));
        assert_eq!(kept, set("1Gi"));
        assert_eq!(with_created_size(None, set("5Gi")), set("5Gi"));
    }

    #[test]
    fn claims_are_read_only_if_they_can_be_too_small() {
        assert!(!may_be_too_small(Some(&set("1Gi")), &set("1024Mi")));
        assert!(may_be_too_small(Some(&set("1Gi")), &set("2Gi")));
        assert!(may_be_too_small(None, &set("1Gi")), "a claim may have outlived its StatefulSet");
    }

    #[test]
    fn the_claims_have_the_names_that_kubernetes_gives_them() {
        assert_eq!(claim_names(&set("1Gi")), ["data-main-0"]);
    }
}
