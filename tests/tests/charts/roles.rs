//! Checks the rights of the operator and of users.

use std::collections::BTreeSet;

use operator::rbac::Rule;
use serde_json::Value;

use super::helm::{environment, find, rendered};

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

/// The rights of a table in the operator's sources.
fn table(rules: &[Rule]) -> BTreeSet<String> {
    let right = |rule: &Rule| {
        let verbs = |resource: &&'static str| {
            rule.verbs.iter().map(move |verb| format!("{}/{resource} {verb}", rule.group)).collect::<Vec<_>>()
        };
        rule.resources.iter().flat_map(verbs).collect::<Vec<_>>()
    };
    rules.iter().flat_map(right).collect()
}

/// Rights without the names that they are restricted to.
fn unnamed(role: &Value) -> BTreeSet<String> {
    rights(role).iter().map(|right| right.split(" of ").next().unwrap().to_owned()).collect()
}

#[test]
fn the_operators_roles_are_its_own_table() {
    let objects = rendered(&[]);
    let everywhere = [operator::rbac::CLUSTER, operator::rbac::WATCHED].concat();
    assert_eq!(unnamed(find(&objects, "ClusterRole", "operator")), table(&everywhere));
    assert_eq!(unnamed(find(&objects, "Role", "operator-lease")), table(operator::rbac::NAMESPACE));
}

#[test]
fn with_named_namespaces_there_are_no_rights_to_secrets_or_workloads_elsewhere() {
    let objects = rendered(&["watchNamespaces=[\"team\",\"other\"]"]);
    assert_eq!(unnamed(find(&objects, "ClusterRole", "msg2agent-operator")), table(operator::rbac::CLUSTER));
    for role in objects.iter().filter(|o| o["kind"] == "ClusterRole") {
        let is_for_people = |right: &String| right.starts_with("msg2agent.xyz/");
        let is_of_the_cluster =
            |right: &String| right.starts_with("/namespaces ") || right.starts_with("apiextensions.k8s.io/");
        let rights = rights(role);
        assert!(rights.iter().all(|right| is_for_people(right) || is_of_the_cluster(right)), "{rights:?}");
    }
    let in_namespace = |kind: &str, namespace: &str| {
        let named = |o: &&Value| o["metadata"]["name"] == "msg2agent-operator" && o["kind"] == kind;
        objects.iter().filter(named).find(|o| o["metadata"]["namespace"] == namespace).unwrap().clone()
    };
    for namespace in ["team", "other"] {
        assert_eq!(unnamed(&in_namespace("Role", namespace)), table(operator::rbac::WATCHED));
        let binding = in_namespace("RoleBinding", namespace);
        assert_eq!(binding["subjects"][0]["namespace"], "msg2agent-system");
        assert_eq!(binding["roleRef"]["kind"], "Role");
    }
    assert_eq!(environment(&objects, "MSG2AGENT_OPERATOR_WATCH_NAMESPACES"), "team,other");
}

#[test]
fn what_runs_after_uninstalling_may_read_the_lease_and_release_finalizers_and_nothing_else() {
    let objects = rendered(&[]);
    let finalizers = rights(find(&objects, "ClusterRole", "release-finalizers"));
    let kinds = ["agents", "relays", "tenants"];
    let own = |verb: &str| kinds.map(|kind| format!("msg2agent.xyz/{kind} {verb}"));
    let deployments = ["apps/deployments list".to_owned()];
    assert_eq!(finalizers, own("list").into_iter().chain(own("patch")).chain(deployments).collect());
    let lease = rights(find(&objects, "Role", "release-finalizers-lease"));
    assert_eq!(lease, ["coordination.k8s.io/leases get of msg2agent-operator".to_owned()].into());
    let of_hook = |o: &&Value| o["metadata"]["name"].as_str().unwrap().contains("release-finalizers");
    let hooks: Vec<_> = objects.iter().filter(of_hook).collect();
    assert_eq!(hooks.len(), 6, "an account, two roles with bindings, a Job");
    for object in hooks {
        assert_eq!(object["metadata"]["annotations"]["helm.sh/hook"], "post-delete", "{object}");
    }
    assert!(rendered(&["releaseFinalizers=false"]).iter().find(of_hook).is_none());
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
            let is_hook = binding["metadata"]["annotations"]["helm.sh/hook"] == "post-delete";
            let account = if is_hook { "msg2agent-release-finalizers" } else { "msg2agent-operator" };
            let subject = serde_json::json!([{
                "kind": "ServiceAccount", "name": account, "namespace": "msg2agent-system"
            }]);
            assert_eq!(binding["subjects"], subject);
        }
    }
}

#[test]
fn the_lease_is_the_only_one_the_operator_can_take() {
    let rights = rights(find(&rendered(&[]), "Role", "operator-lease"));
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
