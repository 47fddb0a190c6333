//! Connects Claude Code to Alice's MCP endpoint, with the URL and the key in her Secret, and lets
//! it ask Bob. The cluster's names resolve only inside the built-in cluster, so this part runs
//! there as a separate process.

use std::{path::Path, process::Stdio};

use anyhow::{Context as _, ensure};
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use serde_json::{Value, json};

use super::installation::DEMO_NAMESPACE;
use crate::{
    claude_code::{ClaudeCode, Endpoint, ensure_connected, installation},
    cluster::{Cluster, kubeconfig, record::Record},
};

/// Bob's answer to everything, in examples/conversation.yaml.
const BOBS_ANSWER: &str = "Yes, Alice. The plan is done.";

/// The Secret that tells an agent's owner how to connect.
const CREDENTIALS: &str = "alice-relay";
/// The Secret with the certificate of Alice's endpoint and the authority that issued it.
const ENDPOINT_CERTIFICATE: &str = "alice-mcp-tls";

/// Runs [`talk`] where the cluster's names resolve.
pub(super) async fn call(cluster: &Cluster) -> anyhow::Result<()> {
    if !matches!(cluster.record(), Record::BuiltIn { .. }) {
        println!("  skipped: only the built-in cluster's names resolve on this machine");
        return Ok(());
    }
    // Inside there is no way to a registry.
    installation::program().await.context("install Claude Code")?;
    let program = crate::programs::path("demo")?;
    let program = program.to_str().context("the target folder's name is not UTF-8")?;
    let mut command = cluster.command(program);
    command.arg("--claude-code-with").arg(cluster.kubeconfig_for_commands());
    let status = command.stdin(Stdio::null()).status().context("go inside")?;
    ensure!(status.success(), "Claude Code did not get its answer ({status})");
    Ok(())
}

/// Runs inside the cluster: connects, sends, and prints the result that the model got.
pub async fn talk(kubeconfig: &Path) -> anyhow::Result<()> {
    let client = kubeconfig::client(kubeconfig, None).await?;
    let secrets = Api::<Secret>::namespaced(client, DEMO_NAMESPACE);
    let secret = secrets.get(CREDENTIALS).await.context("read the Secret with the key")?;
    let endpoint = secrets.get(ENDPOINT_CERTIFICATE).await.context("read the endpoint's certificate")?;
    let mut claude = ClaudeCode::new().await?;
    // The relay, where people sign in, has another authority than the endpoint.
    claude.trust(&[value(&secret, "ca.crt")?, value(&endpoint, "ca.crt")?].concat())?;
    let url = value(&secret, "mcp-url")?;
    println!("  Claude Code, MCP server {url}");
    claude.add("alice", &Endpoint::Http { url, key: value(&secret, "token")? })?;
    ensure_connected(&claude.list().await?, "alice")?;
    println!("  connected; it calls send_message");
    let arguments = json!({ "to": "bob", "text": "Bob, Claude asks: is the plan done?", "wait_seconds": 30 });
    let result = claude.call("alice", "send_message", arguments).await?;
    let answer = result.get("content").and_then(Value::as_str).unwrap_or_default();
    println!("  the model got: {answer}");
    ensure!(answer.contains(&format!("\"{BOBS_ANSWER}\"")), "that is not Bob's answer");
    Ok(())
}

fn value(secret: &Secret, key: &str) -> anyhow::Result<String> {
    let bytes = secret.data.as_ref().and_then(|data| data.get(key));
    let bytes = bytes.with_context(|| format!("find {key} in Alice's Secret"))?;
    String::from_utf8(bytes.0.clone()).with_context(|| format!("read {key} of Alice's Secret"))
}
