//! Annotations on workloads that say from what they were made, so that a restarted operator knows
//! it too. Pure.

use std::collections::BTreeMap;

use crds::label;
use k8s_openapi::api::core::v1::PodTemplateSpec;
use serde::Serialize;
use sha2::{Digest as _, Sha256};

/// Bytes of a hash in an annotation. A collision would only skip a turn.
const HASH_BYTES: usize = 8;

/// From what a workload was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stamp {
    /// The hash of the pod template.
    pub template: String,
    /// The hash of what the author of the Relay or Agent wrote.
    pub author: String,
}

/// Who caused the last change of a workload's pod template.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// The author of the Relay or Agent.
    Author,
    /// The operator, for example by an upgrade.
    Operator,
}

impl Origin {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Author => "Author",
            Self::Operator => "Operator",
        }
    }
}

impl Stamp {
    #[must_use]
    pub fn new(template: &PodTemplateSpec, author: &impl Serialize) -> Self {
        Self { template: hash(template), author: hash(author) }
    }

    /// The stamp in a workload's annotations. `None` on one that an older operator made.
    #[must_use]
    pub fn read(annotations: &BTreeMap<String, String>) -> Option<Self> {
        let template = annotations.get(label::TEMPLATE_HASH)?.clone();
        let author = annotations.get(label::AUTHOR_HASH)?.clone();
        Some(Self { template, author })
    }

    /// Writes the stamp into a workload's annotations.
    pub fn write(&self, annotations: &mut BTreeMap<String, String>, origin: Origin) {
        annotations.insert(label::TEMPLATE_HASH.to_owned(), self.template.clone());
        annotations.insert(label::AUTHOR_HASH.to_owned(), self.author.clone());
        annotations.insert(label::TEMPLATE_ORIGIN.to_owned(), origin.as_str().to_owned());
    }
}

/// The origin in a workload's annotations. An older operator set none.
pub(super) fn read_origin(annotations: &BTreeMap<String, String>) -> Origin {
    let found = annotations.get(label::TEMPLATE_ORIGIN);
    match found.is_some_and(|origin| origin == Origin::Operator.as_str()) {
        true => Origin::Operator,
        false => Origin::Author,
    }
}

/// The hash of a value's JSON. Maps of Kubernetes types are sorted, so equal values hash equally.
fn hash(value: &impl Serialize) -> String {
    let json = serde_json::to_vec(value).unwrap_or_default();
    Sha256::digest(json).iter().take(HASH_BYTES).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_is_read_as_it_was_written() {
        let stamp = Stamp::new(&PodTemplateSpec::default(), &"spec");
        let mut annotations = BTreeMap::new();
        assert_eq!((Stamp::read(&annotations), read_origin(&annotations)), (None, Origin::Author));
        stamp.write(&mut annotations, Origin::Operator);
        assert_eq!((Stamp::read(&annotations), read_origin(&annotations)), (Some(stamp), Origin::Operator));
    }

    #[test]
    fn another_template_or_another_author_is_another_stamp() {
        let other = PodTemplateSpec { spec: Some(Default::default()), metadata: None };
        let stamp = Stamp::new(&PodTemplateSpec::default(), &"spec");
        assert_ne!(stamp.template, Stamp::new(&other, &"spec").template);
        assert_ne!(stamp.author, Stamp::new(&other, &"another").author);
        assert_eq!(stamp, Stamp::new(&PodTemplateSpec::default(), &"spec"));
    }
}
