//! Checks the directions between crates that ARCHITECTURE.md draws, over `cargo metadata`.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;

use crate::workspace::{members, root};

/// Direct dependencies between our own packages, test dependencies aside.
const EDGES: [(&str, &[&str]); 18] = [
    ("msg2agent-protocol", &[]),
    ("msg2agent-daemon", &[]),
    ("msg2agent-sqlite-faults", &[]),
    ("msg2agent-sqlite-pool", &[]),
    ("msg2agent-websocket", &[]),
    ("msg2agent-document-fetcher", &[]),
    ("msg2agent-http-signature", &["msg2agent-protocol"]),
    (
        "msg2agent-did-resolver",
        &["msg2agent-document-fetcher", "msg2agent-http-signature", "msg2agent-protocol"],
    ),
    ("msg2agent-crds", &["msg2agent-protocol"]),
    ("msg2agent", &["msg2agent-protocol"]),
    ("m2a", &["msg2agent", "msg2agent-protocol"]),
    ("msg2agent-authorization", &["msg2agent-daemon", "msg2agent-document-fetcher", "msg2agent-protocol"]),
    (
        "msg2agent-relay",
        &[
            "msg2agent-authorization",
            "msg2agent-daemon",
            "msg2agent-protocol",
            "msg2agent-sqlite-pool",
            "msg2agent-websocket",
        ],
    ),
    ("msg2agent-operator", &["msg2agent-crds", "msg2agent-daemon", "msg2agent-protocol"]),
    (
        "msg2agent-mcp-server",
        &["msg2agent", "msg2agent-daemon", "msg2agent-protocol", "msg2agent-sqlite-pool"],
    ),
    (
        "msg2agent-a2a",
        &[
            "msg2agent",
            "msg2agent-daemon",
            "msg2agent-document-fetcher",
            "msg2agent-protocol",
            "msg2agent-sqlite-pool",
        ],
    ),
    ("msg2agent-devtools", &["msg2agent", "msg2agent-protocol"]),
    (
        "msg2agent-tests",
        &[
            "msg2agent",
            "msg2agent-crds",
            "msg2agent-daemon",
            "msg2agent-devtools",
            "msg2agent-protocol",
            "msg2agent-relay",
        ],
    ),
];

/// Foreign crates that must not be reachable from a package, with the reason.
const FORBIDDEN: [(&str, &[&str], &str); 10] = [
    ("msg2agent-websocket", &["tokio", "tungstenite"], "the decoder is pure"),
    ("msg2agent-http-signature", &["tokio", "hyper", "reqwest"], "signatures are pure"),
    ("msg2agent-protocol", &["tokio", "axum", "hyper", "sqlx", "kube", "reqwest"], "the protocol is pure"),
    ("msg2agent-relay", &["kube", "k8s-openapi", "msg2agent-crds"], "the relay runs without any cluster"),
    (
        "msg2agent-authorization",
        &["msg2agent-relay", "msg2agent", "kube", "k8s-openapi", "msg2agent-crds"],
        "the authorization server asks the relay through its trait `Relay` only",
    ),
    ("msg2agent-operator", &["sqlx", "msg2agent"], "the operator speaks to the relay through its admin API"),
    (
        "msg2agent",
        &["axum", "sqlx", "kube", "clap", "clap_complete", "reqwest", "jiff", "tracing-subscriber"],
        "the SDK compiles small",
    ),
    (
        "msg2agent-mcp-server",
        &["msg2agent-relay", "kube"],
        "the MCP server reaches the relay through the SDK only; its SQLite file is its own mailbox",
    ),
    ("msg2agent-crds", &["sqlx", "msg2agent", "axum"], "custom resource types hold no behaviour"),
    (
        "msg2agent-devtools",
        &["msg2agent-tests", "msg2agent-relay", "msg2agent-operator", "msg2agent-mcp-server"],
        "the tools start our programs and link none of their code",
    ),
];

#[test]
fn our_crates_depend_on_each_other_only_as_drawn() {
    let graph = Graph::read();
    for (package, allowed) in EDGES {
        let ours: BTreeSet<_> = EDGES.iter().map(|(name, _)| *name).collect();
        let found: Vec<_> =
            graph.direct(package).into_iter().filter(|name| ours.contains(name.as_str())).collect();
        assert_eq!(found, allowed, "direct dependencies of {package}");
    }
}

#[test]
fn every_crate_of_the_workspace_has_its_directions() {
    let listed: BTreeSet<_> = EDGES.iter().map(|(name, _)| *name).collect();
    let missing: Vec<_> =
        package_names().into_iter().filter(|name| !listed.contains(name.as_str())).collect();
    assert!(missing.is_empty(), "crates without a row in EDGES: {missing:?}");
}

#[test]
fn nothing_forbidden_is_reachable() {
    let graph = Graph::read();
    for (package, forbidden, reason) in FORBIDDEN {
        let reachable = graph.reachable(package);
        for name in forbidden {
            assert!(!reachable.contains(*name), "{package} reaches {name}, but {reason}");
        }
    }
}

/// Names of the packages of all members.
fn package_names() -> Vec<String> {
    let manifests = members().into_iter().map(|member| root().join(member).join("Cargo.toml"));
    let names = manifests.map(|manifest| {
        let text = std::fs::read_to_string(manifest).expect("a member's Cargo.toml");
        let name = text.lines().find_map(|line| line.strip_prefix("name = ")).expect("a package's name");
        name.trim_matches('"').to_owned()
    });
    names.collect()
}

/// Resolved normal dependencies by package name.
struct Graph(BTreeMap<String, BTreeSet<String>>);

impl Graph {
    fn read() -> Self {
        let output = Command::new(env!("CARGO"))
            .args([
                "metadata",
                "--format-version",
                "1",
                "--locked",
                "--filter-platform",
                "x86_64-unknown-linux-gnu",
            ])
            .output()
            .expect("cargo runs, since it started this test");
        let metadata: Value = serde_json::from_slice(&output.stdout).expect("cargo metadata prints JSON");
        let text = |value: &Value| value.as_str().expect("a string").to_owned();
        let packages = metadata["packages"].as_array().expect("packages");
        let names: BTreeMap<_, _> = packages.iter().map(|p| (text(&p["id"]), text(&p["name"]))).collect();
        let nodes = metadata["resolve"]["nodes"].as_array().expect("nodes");
        Self(nodes.iter().map(|node| (names[&text(&node["id"])].clone(), normal(node, &names))).collect())
    }

    fn direct(&self, package: &str) -> BTreeSet<String> {
        self.0.get(package).cloned().unwrap_or_else(|| panic!("no package {package}"))
    }

    fn reachable(&self, package: &str) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        let mut open = vec![package.to_owned()];
        while let Some(name) = open.pop() {
            for next in self.0.get(&name).into_iter().flatten() {
                if found.insert(next.clone()) {
                    open.push(next.clone());
                }
            }
        }
        found
    }
}

fn normal(node: &Value, names: &BTreeMap<String, String>) -> BTreeSet<String> {
    let deps = node["deps"].as_array().expect("deps");
    let is_normal = |dep: &&Value| {
        dep["dep_kinds"].as_array().is_some_and(|kinds| kinds.iter().any(|kind| kind["kind"].is_null()))
    };
    deps.iter().filter(is_normal).map(|dep| names[dep["pkg"].as_str().expect("pkg")].clone()).collect()
}
