//! Decides whether NetworkPolicies let pod A connect to a port of pod B. It understands what our
//! policies use: selectors by `matchLabels` and `Exists`, peers by pod and namespace, ports by
//! number or name. An unknown part of a policy panics, so that the answer is never a guess.

use std::collections::BTreeMap;

use serde_json::Value;

/// A pod as a policy engine sees it.
#[derive(Debug, Clone)]
pub(crate) struct Pod {
    pub(crate) namespace: &'static str,
    pub(crate) labels: BTreeMap<String, String>,
    /// Container ports by name.
    pub(crate) ports: BTreeMap<String, u64>,
}

impl Pod {
    pub(crate) fn new(namespace: &'static str, labels: &[(&str, &str)], ports: &[(&str, u64)]) -> Self {
        let labels = labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let ports = ports.iter().map(|(name, port)| ((*name).to_owned(), *port)).collect();
        Self { namespace, labels, ports }
    }

    /// Labels of its namespace: the one every cluster sets.
    fn namespace_labels(&self) -> BTreeMap<String, String> {
        BTreeMap::from([("kubernetes.io/metadata.name".to_owned(), self.namespace.to_owned())])
    }
}

/// Whether TCP from `from` to `port` of `to` passes all policies: leaving and entering are decided
/// apart.
pub(crate) fn may_reach(policies: &[Value], from: &Pod, to: &Pod, port: u64) -> bool {
    side_allows(policies, "Egress", from, to, to, port)
        && side_allows(policies, "Ingress", to, from, to, port)
}

/// A pod that no policy of this direction selects is open; else one rule of any of them must allow.
fn side_allows(policies: &[Value], side: &str, own: &Pod, peer: &Pod, server: &Pod, port: u64) -> bool {
    let governs = |policy: &&Value| {
        let spec = &policy["spec"];
        policy["metadata"]["namespace"] == own.namespace
            && spec["policyTypes"].as_array().is_some_and(|types| types.iter().any(|t| t == side))
            && selects(&spec["podSelector"], &own.labels)
    };
    let governing: Vec<_> = policies.iter().filter(governs).collect();
    let (rules, peers) = if side == "Egress" { ("egress", "to") } else { ("ingress", "from") };
    governing.is_empty()
        || governing.iter().any(|policy| {
            let rules = policy["spec"][rules].as_array().into_iter().flatten();
            rules.into_iter().any(|rule| {
                peer_fits(&rule[peers], peer, own.namespace) && port_fits(&rule["ports"], server, port)
            })
        })
}

fn peer_fits(peers: &Value, peer: &Pod, own_namespace: &str) -> bool {
    let Some(peers) = peers.as_array() else { return true };
    peers.iter().any(|entry| {
        let namespace = match entry.get("namespaceSelector") {
            Some(selector) => selects(selector, &peer.namespace_labels()),
            None => peer.namespace == own_namespace,
        };
        assert!(entry.get("ipBlock").is_none(), "addresses are not judged here: {entry}");
        namespace && entry.get("podSelector").is_none_or(|selector| selects(selector, &peer.labels))
    })
}

fn port_fits(ports: &Value, server: &Pod, port: u64) -> bool {
    let Some(ports) = ports.as_array() else { return true };
    ports.iter().filter(|entry| entry["protocol"] != "UDP").any(|entry| match &entry["port"] {
        Value::Null => true,
        Value::Number(number) => number.as_u64() == Some(port),
        Value::String(name) => server.ports.get(name) == Some(&port),
        other => panic!("a port is a number or a name: {other}"),
    })
}

fn selects(selector: &Value, labels: &BTreeMap<String, String>) -> bool {
    let Some(selector) = selector.as_object() else { panic!("not a selector: {selector}") };
    selector.iter().all(|(part, content)| match part.as_str() {
        "matchLabels" => content
            .as_object()
            .unwrap()
            .iter()
            .all(|(key, value)| labels.get(key).is_some_and(|l| value == l)),
        "matchExpressions" => content.as_array().unwrap().iter().all(|expression| {
            assert_eq!(expression["operator"], "Exists", "{expression}");
            labels.contains_key(expression["key"].as_str().unwrap())
        }),
        _ => panic!("unknown part of a selector: {part}"),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn policy(spec: Value) -> Value {
        json!({"metadata": {"namespace": "a"}, "spec": spec})
    }

    #[test]
    fn a_pod_without_policy_is_open_and_one_with_an_empty_list_is_closed() {
        let (client, server) = (Pod::new("b", &[], &[]), Pod::new("a", &[("app", "x")], &[]));
        assert!(may_reach(&[], &client, &server, 80));
        let closed = policy(json!({"podSelector": {}, "policyTypes": ["Ingress"], "ingress": []}));
        assert!(!may_reach(&[closed], &client, &server, 80));
    }

    #[test]
    fn peers_without_namespace_are_of_the_policys_own() {
        let rule =
            json!([{"from": [{"podSelector": {"matchLabels": {"app": "c"}}}], "ports": [{"port": "web"}]}]);
        let policy = policy(json!({"podSelector": {}, "policyTypes": ["Ingress"], "ingress": rule}));
        let server = Pod::new("a", &[], &[("web", 80)]);
        let client = |namespace| Pod::new(namespace, &[("app", "c")], &[]);
        assert!(may_reach(std::slice::from_ref(&policy), &client("a"), &server, 80));
        assert!(!may_reach(std::slice::from_ref(&policy), &client("b"), &server, 80));
        assert!(!may_reach(&[policy], &client("a"), &server, 81));
    }
}
