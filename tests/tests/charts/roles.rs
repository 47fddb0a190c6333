//! Checks the rights of the operator and of users.

use std::collections::BTreeSet;

use operator::rbac::Rule;
use serde_json::Value;

use super::helm::{find, rendered};

/// Rights that lead to every other right.
const LEADS_TO_MORE: [&str; 4] = ["*", "escalate", "bind", "impersonate"];

/// `group/resource verb`, one for each right; a right to named objects only ends in ` of <name>`.
fn rights(role: &Value) -> BTreeSet<String> {
    let texts = |value: &Value| -> Vec<String> {
        value.as_array().into_iter().flatten().map(|v| v.as_str().unwrap().to_owned()).collect()
    };
    let mut rights = BTreeSet::new();
    for rule in role["rules"].as_array().unwrap() {
        let names = texts(&rule["resourceNames"]);
        let ending = if names.is_empty() { String::new() } else { format!(" of {}", names.join(", ")) };
        for group in texts(&rule["apiGroups"]) {
            for resource in texts(&rule["resources"]) {
                for verb in texts(&rule["verbs"]) {
                    rights.insert(format!("{group}/{resource} {verb}{ending}"));
                }
            }
        }
    }
    rights
}

#[test]
fn the_operators_roles_are_its_own_table() {
    let objects = rendered(&[]);
    let table = |rules: &[Rule]| -> BTreeSet<String> {
        let right = |rule: &Rule| {
            let verbs = |resource: &&'static str| {
                rule.verbs
                    .iter()
                    .map(move |verb| format!("{}/{resource} {verb}", rule.group))
                    .collect::<Vec<_>>()
            };
            rule.resources.iter().flat_map(verbs).collect::<Vec<_>>()
        };
        rules.iter().flat_map(right).collect()
    };
    let cluster: BTreeSet<_> = rights(find(&objects, "ClusterRole", "operator"));
    assert_eq!(cluster, table(operator::rbac::CLUSTER));
    let unnamed = |right: String| right.split(" of ").next().unwrap().to_owned();
    let namespace: BTreeSet<_> = rights(find(&objects, "Role", "lease")).into_iter().map(unnamed).collect();
    assert_eq!(namespace, table(operator::rbac::NAMESPACE));
}

#[test]
fn no_role_can_escalate_its_privileges() {
    for role in rendered(&[]).iter().filter(|o| o["kind"] == "ClusterRole" || o["kind"] == "Role") {
        for right in rights(role) {
            let bad = LEADS_TO_MORE.iter().any(|word| right.contains(word));
            assert!(
                !bad && !right.starts_with("rbac.authorization"),
                "{right} in {}",
                role["metadata"]["name"]
            );
        }
    }
}

#[test]
fn the_operators_roles_are_bound_to_its_own_account_and_nobody_else() {
    let objects = rendered(&[]);
    for kind in ["ClusterRoleBinding", "RoleBinding"] {
        for binding in objects.iter().filter(|o| o["kind"] == kind) {
            let subject = serde_json::json!([{
                "kind": "ServiceAccount", "name": "msg2agent-operator", "namespace": "msg2agent-system"
            }]);
            assert_eq!(binding["subjects"], subject);
        }
    }
}

#[test]
fn the_lease_is_the_only_one_the_operator_can_take() {
    let rights = rights(find(&rendered(&[]), "Role", "lease"));
    let lease = |verb: &str| format!("coordination.k8s.io/leases {verb} of msg2agent-operator");
    let expected = ["get", "update"].map(lease);
    let expected: BTreeSet<_> =
        expected.into_iter().chain(["coordination.k8s.io/leases create".into()]).collect();
    assert_eq!(rights, expected);
}

#[test]
fn people_get_their_roles_by_those_they_have() {
    let objects = rendered(&[]);
    for (name, joins) in [("view", "view"), ("agent-edit", "edit"), ("tenant-admin", "admin")] {
        let role = find(&objects, "ClusterRole", &format!("msg2agent-{name}"));
        let label = format!("rbac.authorization.k8s.io/aggregate-to-{joins}");
        assert_eq!(role["metadata"]["labels"][label], "true");
    }
    let labels = &find(&objects, "ClusterRole", "platform-admin")["metadata"]["labels"];
    assert!(labels.as_object().unwrap().keys().all(|key| !key.contains("aggregate-to")), "bound by hand");
}

#[test]
fn people_never_write_a_status_and_never_read_secrets_by_our_roles() {
    let objects = rendered(&[]);
    for name in ["view", "agent-edit", "tenant-admin", "platform-admin"] {
        for right in rights(find(&objects, "ClusterRole", &format!("msg2agent-{name}"))) {
            assert!(right.starts_with("msg2agent.xyz/") && !right.contains("/status"), "{right}");
        }
    }
    let edit = rights(find(&objects, "ClusterRole", "agent-edit"));
    assert!(edit.iter().all(|right| right.starts_with("msg2agent.xyz/agents ")), "{edit:?}");
}
