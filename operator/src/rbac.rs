//! The RBAC rules of the operator. A test compares the chart's roles with them.
//!
//! There are no wildcards, and no `escalate`, `bind` or `impersonate`. A rule is extended in the
//! change that needs it.

use k8s_openapi::api::rbac::v1::{ClusterRole, PolicyRule, Role};
use kube::core::ObjectMeta;

/// One rule of a role.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    pub group: &'static str,
    pub resources: &'static [&'static str],
    pub verbs: &'static [&'static str],
}

const OWNED: &[&str] = &["get", "list", "watch", "create", "patch", "delete"];

/// Rules for objects of the cluster.
pub const CLUSTER: &[Rule] = &[
    // Consent depends on the labels of namespaces.
    Rule { group: "", resources: &["namespaces"], verbs: &["get", "list", "watch"] },
    // An operator does not run with definitions that are older than it.
    Rule { group: "apiextensions.k8s.io", resources: &["customresourcedefinitions"], verbs: &["get"] },
];

/// Rules for the namespaces that the operator works in: all, or those of the settings.
pub const WATCHED: &[Rule] = &[
    // `patch` is for finalizers.
    Rule {
        group: crds::GROUP,
        resources: &["relays", "tenants", "agents"],
        verbs: &["get", "list", "watch", "patch"],
    },
    // A status is replaced whole, with a resourceVersion.
    Rule {
        group: crds::GROUP,
        resources: &["relays/status", "tenants/status", "agents/status"],
        verbs: &["update"],
    },
    // Contents are read one by one. Lists and watches request metadata only, which RBAC cannot
    // express. `update` is for replacing a Secret with a resourceVersion, so that two writers
    // cannot overwrite each other's key.
    Rule { group: "", resources: &["secrets"], verbs: &["get", "list", "watch", "create", "update"] },
    Rule { group: "", resources: &["services", "serviceaccounts", "configmaps"], verbs: OWNED },
    // A volume that shall be larger is expanded by its claim.
    Rule { group: "", resources: &["persistentvolumeclaims"], verbs: &["get", "patch"] },
    Rule { group: "apps", resources: &["statefulsets", "deployments"], verbs: OWNED },
    // For MCP gateways.
    Rule { group: "autoscaling", resources: &["horizontalpodautoscalers"], verbs: OWNED },
    Rule { group: "networking.k8s.io", resources: &["networkpolicies"], verbs: OWNED },
    Rule { group: "policy", resources: &["poddisruptionbudgets"], verbs: OWNED },
    // The addresses of ready relay pods.
    Rule { group: "discovery.k8s.io", resources: &["endpointslices"], verbs: &["get", "list", "watch"] },
    Rule { group: "events.k8s.io", resources: &["events"], verbs: &["create", "patch"] },
];

/// Rules for the operator's own namespace, for the Lease.
pub const NAMESPACE: &[Rule] =
    &[Rule { group: "coordination.k8s.io", resources: &["leases"], verbs: &["get", "create", "update"] }];

/// The rules as Kubernetes objects, for clusters without the chart.
#[must_use]
pub fn roles() -> (ClusterRole, Role) {
    let metadata = || ObjectMeta { name: Some("msg2agent-operator".into()), ..ObjectMeta::default() };
    (
        ClusterRole {
            metadata: metadata(),
            rules: Some(CLUSTER.iter().chain(WATCHED).map(policy_rule).collect()),
            aggregation_rule: None,
        },
        Role { metadata: metadata(), rules: Some(NAMESPACE.iter().map(policy_rule).collect()) },
    )
}

fn policy_rule(rule: &Rule) -> PolicyRule {
    let owned = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    PolicyRule {
        api_groups: Some(vec![rule.group.to_owned()]),
        resources: Some(owned(rule.resources)),
        verbs: owned(rule.verbs),
        ..PolicyRule::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_rule_allows_privilege_escalation() {
        for rule in CLUSTER.iter().chain(WATCHED).chain(NAMESPACE) {
            for word in rule.resources.iter().chain(rule.verbs) {
                assert!(!["*", "escalate", "bind", "impersonate"].contains(word), "{rule:?}");
            }
            assert!(!rule.resources.iter().any(|r| r.starts_with("pods") || r.contains("roles")), "{rule:?}");
        }
    }
}
