//! What the operator may do: the one table. The chart's roles are compared with it by a test.
//!
//! No wildcard, no escalate, bind or impersonate. A rule grows in the change that needs it.

use k8s_openapi::api::rbac::v1::{ClusterRole, PolicyRule, Role};
use kube::core::ObjectMeta;

/// One line of a role.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    pub group: &'static str,
    pub resources: &'static [&'static str],
    pub verbs: &'static [&'static str],
}

const OWNED: &[&str] = &["get", "list", "watch", "create", "patch", "delete"];

/// In every namespace, because Relays, Tenants and Agents live anywhere.
pub const CLUSTER: &[Rule] = &[
    // Patch: our finalizers.
    Rule {
        group: crds::GROUP,
        resources: &["relays", "tenants", "agents"],
        verbs: &["get", "list", "watch", "patch"],
    },
    Rule {
        group: crds::GROUP,
        resources: &["relays/status", "tenants/status", "agents/status"],
        verbs: &["patch"],
    },
    // Contents are read one by one; lists and watches ask for metadata only, which RBAC cannot say. Update: a token is
    // swapped with a resourceVersion, so that two writers cannot lose one.
    Rule { group: "", resources: &["secrets"], verbs: &["get", "list", "watch", "create", "update"] },
    Rule { group: "", resources: &["services", "serviceaccounts", "configmaps"], verbs: OWNED },
    // Labels of namespaces decide consent.
    Rule { group: "", resources: &["namespaces"], verbs: &["get", "list", "watch"] },
    Rule { group: "apps", resources: &["statefulsets", "deployments"], verbs: OWNED },
    // Of MCP gateways.
    Rule { group: "autoscaling", resources: &["horizontalpodautoscalers"], verbs: OWNED },
    Rule { group: "networking.k8s.io", resources: &["networkpolicies"], verbs: OWNED },
    Rule { group: "policy", resources: &["poddisruptionbudgets"], verbs: OWNED },
    // Which relay pods are ready, and where.
    Rule { group: "discovery.k8s.io", resources: &["endpointslices"], verbs: &["get", "list", "watch"] },
    Rule { group: "events.k8s.io", resources: &["events"], verbs: &["create", "patch"] },
];

/// In the operator's own namespace: the Lease.
pub const NAMESPACE: &[Rule] =
    &[Rule { group: "coordination.k8s.io", resources: &["leases"], verbs: &["get", "create", "update"] }];

/// The table as Kubernetes objects, for clusters without the chart.
#[must_use]
pub fn roles() -> (ClusterRole, Role) {
    let metadata = || ObjectMeta { name: Some("msg2agent-operator".into()), ..ObjectMeta::default() };
    (
        ClusterRole {
            metadata: metadata(),
            rules: Some(CLUSTER.iter().map(policy_rule).collect()),
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
    fn no_rule_is_a_way_up() {
        for rule in CLUSTER.iter().chain(NAMESPACE) {
            for word in rule.resources.iter().chain(rule.verbs) {
                assert!(!["*", "escalate", "bind", "impersonate"].contains(word), "{rule:?}");
            }
            assert!(!rule.resources.iter().any(|r| r.starts_with("pods") || r.contains("roles")), "{rule:?}");
        }
    }
}
