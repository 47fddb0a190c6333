//! The part of the cluster that one watch covers.

use std::sync::Arc;

use crate::object_key::NamespacedName;

/// The whole cluster, or one namespace of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WatchScope {
    Cluster,
    Namespace(Arc<str>),
}

impl WatchScope {
    /// One scope for each of `namespaces`. An empty list stands for the whole cluster.
    #[must_use]
    pub fn of_namespaces(namespaces: &[String]) -> Vec<Self> {
        if namespaces.is_empty() {
            return vec![Self::Cluster];
        }
        namespaces.iter().map(|namespace| Self::Namespace(namespace.as_str().into())).collect()
    }

    /// Whether an object of this name is in it.
    #[must_use]
    pub fn contains(&self, name: &NamespacedName) -> bool {
        match self {
            Self::Cluster => true,
            Self::Namespace(namespace) => name.namespace == *namespace,
        }
    }

    /// The name of a kind's objects in it, for people.
    #[must_use]
    pub fn describe(&self, kind: &str) -> String {
        match self {
            Self::Cluster => kind.to_owned(),
            Self::Namespace(namespace) => format!("{kind} of namespace {namespace}"),
        }
    }
}
