//! Decides whether an object allows references from a namespace. Pure; the namespace's labels are
//! an argument.

use std::collections::BTreeMap;

use crds::AllowedFrom;
use crds::consent::From;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::core::{Selector, SelectorExt as _};

/// Whether `allowed` admits `namespace`. `labels` are those of the namespace, or `None` if it is
/// unknown. No selector matches an unknown namespace.
#[must_use]
pub fn admits(
    allowed: &AllowedFrom,
    own_namespace: &str,
    namespace: &str,
    labels: Option<&BTreeMap<String, String>>,
) -> bool {
    if namespace == own_namespace {
        return true;
    }
    match allowed.from {
        From::Same => false,
        From::All => true,
        From::Names => allowed.names.iter().any(|name| name == namespace),
        From::Selector => {
            allowed.selector.as_ref().zip(labels).is_some_and(|(selector, labels)| matches(selector, labels))
        }
    }
}

/// A malformed selector matches nothing.
fn matches(selector: &LabelSelector, labels: &BTreeMap<String, String>) -> bool {
    Selector::try_from(selector.clone()).is_ok_and(|selector| selector.matches(labels))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(json: serde_json::Value) -> AllowedFrom {
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn only_its_own_namespace_by_default() {
        let default = AllowedFrom::default();
        assert!(admits(&default, "platform", "platform", None));
        assert!(!admits(&default, "platform", "team", Some(&BTreeMap::new())));
    }

    #[test]
    fn names_and_all_admit_what_they_say() {
        let names = allowed(serde_json::json!({"from": "Names", "names": ["team"]}));
        assert!(admits(&names, "platform", "team", None));
        assert!(!admits(&names, "platform", "teams", None));
        assert!(admits(&allowed(serde_json::json!({"from": "All"})), "platform", "any", None));
    }

    #[test]
    fn a_selector_reads_the_labels_of_the_namespace() {
        let selector = allowed(serde_json::json!({"from": "Selector", "selector": {
            "matchLabels": {"tier": "paid"},
            "matchExpressions": [{"key": "stage", "operator": "NotIn", "values": ["test"]}]
        }}));
        let labels =
            |pairs: &[(&str, &str)]| pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        assert!(admits(&selector, "platform", "team", Some(&labels(&[("tier", "paid")]))));
        assert!(!admits(
            &selector,
            "platform",
            "team",
            Some(&labels(&[("tier", "paid"), ("stage", "test")]))
        ));
        assert!(!admits(&selector, "platform", "team", Some(&labels(&[]))));
        assert!(!admits(&selector, "platform", "team", None), "an unknown namespace has no labels");
    }
}
