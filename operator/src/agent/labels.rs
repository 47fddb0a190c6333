//! The labels of everything made for an Agent.

use std::collections::BTreeMap;

use crds::{Agent, label};
use kube::ResourceExt as _;

use crate::pod;

/// `app.kubernetes.io/component` of everything made for an Agent.
pub(crate) const COMPONENT: &str = "mcp-server";

pub(super) fn of(agent: &Agent) -> BTreeMap<String, String> {
    pod::labels(label::AGENT, &agent.name_any(), COMPONENT)
}

/// An object of one kind, which watches select by that label.
pub(super) fn of_kind(agent: &Agent, kind: &str) -> BTreeMap<String, String> {
    let mut labels = of(agent);
    labels.insert(label::SECRET_KIND.into(), kind.into());
    labels
}
