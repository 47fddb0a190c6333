//! Keys of reconciled objects: kind, namespace and name. The queue, the index and the logs use
//! them.

use std::fmt;
use std::sync::Arc;

use crds::Relay;
use kube::{Resource, ResourceExt as _};

/// A kind that the operator reconciles.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    Relay,
    Tenant,
    Agent,
}

impl Kind {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Relay => "Relay",
            Self::Tenant => "Tenant",
            Self::Agent => "Agent",
        }
    }

    /// The kind that a reference to an object names.
    #[must_use]
    pub fn of_reference(api_version: &str, kind: &str) -> Option<Self> {
        let is_ours = api_version.split_once('/').is_some_and(|(group, _)| group == Relay::group(&()));
        let kinds = [Self::Relay, Self::Tenant, Self::Agent];
        kinds.into_iter().find(|known| is_ours && known.as_str() == kind)
    }
}

/// Namespace and name of an object. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NamespacedName {
    pub namespace: Arc<str>,
    pub name: Arc<str>,
}

impl NamespacedName {
    #[must_use]
    pub fn new(namespace: &str, name: &str) -> Self {
        Self { namespace: namespace.into(), name: name.into() }
    }

    #[must_use]
    pub fn from_object(object: &impl Resource) -> Self {
        Self::new(object.meta().namespace.as_deref().unwrap_or_default(), &object.name_any())
    }

    #[must_use]
    pub fn key(self, kind: Kind) -> ObjectKey {
        ObjectKey { kind, name: self }
    }
}

impl fmt::Display for NamespacedName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// A reconciled object.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectKey {
    pub kind: Kind,
    pub name: NamespacedName,
}

impl fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind.as_str(), self.name)
    }
}
