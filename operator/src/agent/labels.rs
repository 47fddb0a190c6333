//! Labels of the objects of an Agent.

use std::collections::BTreeMap;

use crds::{Agent, label};
use kube::ResourceExt as _;

use crate::{component, pod};

pub(super) fn labels(agent: &Agent) -> BTreeMap<String, String> {
    pod::labels(label::AGENT, &agent.name_any(), component::MCP_SERVER)
}

/// Labels of a Secret. `kind` is one of the `SECRET_*` values of [`label`].
pub(super) fn secret_labels(agent: &Agent, kind: &str) -> BTreeMap<String, String> {
    let mut labels = labels(agent);
    labels.insert(label::SECRET_KIND.into(), kind.into());
    labels
}
