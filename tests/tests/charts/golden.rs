//! Lints the charts, and keeps the rendering with default values as a file that a reviewer reads.

use super::helm::{both, parse};
use devtools::repository;

const CHARTS: [&str; 2] = ["msg2agent", "msg2agent-crds"];

/// Set to rewrite the golden rendering instead of comparing with it.
const REWRITE: &str = "MSG2AGENT_WRITE_GOLDEN";

#[test]
fn both_helms_find_nothing_wrong() {
    for helm in both() {
        for chart in CHARTS {
            helm.run(&["lint", "--strict"], chart, &[]).unwrap_or_else(|complaint| panic!("{complaint}"));
        }
    }
}

#[test]
fn the_rendering_with_default_values_is_the_golden_one() {
    let path = repository().join("tests/tests/charts/golden/msg2agent.yaml");
    let [helm3, helm4] = both();
    let text = helm4.run(&["template", "msg2agent"], "msg2agent", &[]).unwrap();
    if std::env::var_os(REWRITE).is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    let golden = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        text == golden,
        "{} is stale: run this test with {REWRITE}=1 and read the difference",
        path.display()
    );
    assert_eq!(helm3.objects("msg2agent", &[]), parse(&golden), "helm 3 renders something else");
}

#[test]
fn the_definitions_stay_at_uninstall_unless_told_otherwise() {
    for helm in both() {
        let policies = |settings: &[&str]| -> Vec<_> {
            let objects = helm.objects("msg2agent-crds", settings);
            assert_eq!(objects.len(), 3, "Relay, Tenant, Agent");
            let policy =
                |o: &serde_json::Value| o["metadata"]["annotations"]["helm.sh/resource-policy"].clone();
            objects.iter().map(policy).collect()
        };
        assert!(policies(&[]).iter().all(|policy| policy == "keep"));
        assert!(policies(&["keep=false"]).iter().all(serde_json::Value::is_null));
    }
}

#[test]
fn rendering_twice_gives_the_same_text() {
    for helm in both() {
        let once = || helm.run(&["template", "msg2agent"], "msg2agent", &[]).unwrap();
        assert_eq!(once(), once(), "a random value would restart the operator at every upgrade");
    }
}
