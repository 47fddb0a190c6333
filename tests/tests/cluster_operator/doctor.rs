//! Runs `kubectl m2a doctor agent/alice` from outside the cluster, with the kubectl and the
//! kubeconfig of a user.

use anyhow::{Context as _, ensure};
use crds::Tenant;
use devtools::cluster::tools;
use devtools::command::isolated;
use devtools::eventually::eventually;
use devtools::programs;
use kube::api::{Patch, PatchParams};
use msg2agent_tests::custom_resources::ready_agent;
use msg2agent_tests::installed_operator::{cluster, in_installed};
use msg2agent_tests::namespace::TestNamespace;
use serde_json::{Value, json};
use tokio::process::Command;

use crate::control_plane::CHANGE_TIMEOUT;

#[tokio::test]
async fn every_step_of_a_ready_agent_works_through_forwarded_ports() {
    in_installed("doctor", async |namespace| {
        ready_agent(&namespace, "alice", json!({"mcp": {"enabled": true}})).await?;
        let report = examine(&namespace).await?;
        ensure!(report["works"] == true, "{report:#}");
        let steps: Vec<_> = report["steps"].as_array().context("read the steps")?.iter().collect();
        let passed = |step: &str| steps.iter().any(|s| s["step"] == step && s["verdict"] == "passed");
        for step in ["agent", "tls", "resource", "issuer", "registration", "authorization", "call"] {
            ensure!(passed(step), "{step} in {report:#}");
        }
        Ok(())
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn a_suspended_tenant_is_the_first_fault_that_is_named() {
    in_installed("doctor-suspended", async |namespace| {
        ready_agent(&namespace, "alice", json!({"mcp": {"enabled": true}})).await?;
        let suspended = Patch::Merge(json!({"spec": {"suspend": true}}));
        namespace.api::<Tenant>().patch("acme", &PatchParams::default(), &suspended).await?;
        let fault = first_fault(&namespace).await?;
        ensure!((&fault["step"], &fault["side"]) == (&json!("agent"), &json!("cluster")), "{fault:#}");
        ensure!(text(&fault, "cause").contains("SuspendedByTenant"), "{fault:#}");
        ensure!(text(&fault, "remedy").contains("spec.suspend: false"), "{fault:#}");
        Ok(())
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn an_agent_without_an_endpoint_is_told_how_to_get_one() {
    in_installed("doctor-without", async |namespace| {
        ready_agent(&namespace, "alice", json!({})).await?;
        let fault = first_fault(&namespace).await?;
        ensure!(text(&fault, "remedy").contains("spec.mcp.enabled: true"), "{fault:#}");
        Ok(())
    })
    .await
    .unwrap();
}

/// Waits until the doctor sees one.
async fn first_fault(namespace: &TestNamespace) -> anyhow::Result<Value> {
    eventually("the doctor names a fault", CHANGE_TIMEOUT, async || {
        let report = examine(namespace).await?;
        let steps = report.get("steps").and_then(Value::as_array).context("read the steps")?;
        let fault = steps.iter().find(|step| step["verdict"] == "failed").cloned();
        fault.with_context(|| report.to_string())
    })
    .await
}

/// Runs the plugin as kubectl finds it: by its name in PATH.
async fn examine(namespace: &TestNamespace) -> anyhow::Result<Value> {
    let cluster = cluster().await?;
    let plugins = tempfile::tempdir()?;
    std::os::unix::fs::symlink(programs::path("m2a")?, plugins.path().join("kubectl-m2a"))?;
    let tools = tools::prebuilt()?;
    let path = std::env::join_paths([plugins.path(), tools.as_path()])?;
    let mut command = Command::from(isolated(tools.join("kubectl")));
    command.env("PATH", path).env("KUBECONFIG", cluster.kubeconfig());
    command.args(["m2a", "doctor", "agent/alice", "--namespace", &namespace.name, "--output", "json"]);
    if let Some(context) = cluster.context() {
        command.args(["--context", context]);
    }
    let answer = command.output().await.context("run kubectl m2a")?;
    let (out, told) = (String::from_utf8_lossy(&answer.stdout), String::from_utf8_lossy(&answer.stderr));
    serde_json::from_str(&out).with_context(|| format!("{}: {out}{told}", answer.status))
}

fn text<'a>(fault: &'a Value, name: &str) -> &'a str {
    fault[name].as_str().unwrap_or_default()
}
