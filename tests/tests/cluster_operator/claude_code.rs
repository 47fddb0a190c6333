//! Connects Claude Code to an Agent on the cluster and calls every tool: at the Agent's own URL, at
//! the URL of its Relay's gateway, and over stdio with the contents of the Agent's Secrets.

use anyhow::Context as _;
use crds::{Relay, name};
use devtools::agent_folder::write_secret;
use devtools::claude_code::{ClaudeCode, Endpoint, ensure_connected};
use devtools::eventually::eventually;
use devtools::programs;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{Patch, PatchParams};
use msg2agent::{Agent, Did};
use msg2agent_tests::claude_tool_calls::{Prepared, answer, call_every_tool, mail_and_task};
use msg2agent_tests::custom_resources::{
    READY_TIMEOUT, RELAY, agent, becomes_ready, connect, relay_and_tenant, value,
};
use msg2agent_tests::installed_operator::in_installed;
use msg2agent_tests::namespace::TestNamespace;
use msg2agent_tests::relay_port_forward::RelayPortForward;
use msg2agent_tests::service_port_forward::ServicePortForward;
use serde_json::{Value, json};

/// Name of the server in Claude Code's settings.
const SERVER: &str = "m2a";

#[tokio::test]
async fn claude_code_calls_every_tool_of_an_agent_on_the_cluster() {
    in_installed("claude-code", async |namespace| {
        relay_and_tenant(&namespace).await?;
        let gateway = Patch::Merge(json!({"spec": {"gateway": {"enabled": true, "replicas": {"min": 1}}}}));
        namespace.api::<Relay>().patch(RELAY, &PatchParams::default(), &gateway).await?;
        agent(&namespace, "alice", json!({"mcp": {"enabled": true}})).await?;
        for name in ["bob", "carol"] {
            agent(&namespace, name, json!({})).await?;
        }
        for name in ["alice", "bob", "carol"] {
            becomes_ready(&namespace, name).await?;
        }
        let urls = urls(&namespace).await?;

        let relay = RelayPortForward::open(&namespace, RELAY).await?;
        let bob = connect(&namespace, &relay, "bob").await?;
        let services = ServicePortForward::open(namespace.client.clone()).await?;
        let credentials = namespace.api::<Secret>().get("alice-relay").await?;
        for url in urls {
            let mut claude = ClaudeCode::new().await?;
            // The gateway has a certificate of the relay's authority, and the endpoint of another.
            let endpoint = namespace.api::<Secret>().get("alice-mcp-tls").await?;
            let authorities = [value(&credentials, "ca.crt")?, value(&endpoint, "ca.crt")?];
            claude.trust(&authorities.concat())?;
            claude.go_through(services.url());
            claude.add(SERVER, &Endpoint::Http { url: url.clone(), key: value(&credentials, "token")? })?;
            ensure_connected(&claude.list().await?, SERVER).with_context(|| format!("connect to {url}"))?;
            every_tool(&claude, &bob, &value(&credentials, "did")?.parse()?)
                .await
                .with_context(|| format!("call the tools at {url}"))?;
        }
        over_stdio(&namespace, &relay, &bob).await.context("call the tools over stdio")
    })
    .await
    .unwrap();
}

/// Alice's own URL and that of the gateway, once both serve.
async fn urls(namespace: &TestNamespace) -> anyhow::Result<[String; 2]> {
    eventually("the gateway serves and alice knows it", READY_TIMEOUT, async || {
        let relay = namespace.api::<Relay>().get(RELAY).await?.status.unwrap_or_default();
        let gateway =
            relay.gateway.filter(|gateway| gateway.ready_replicas > 0).context("no gateway is ready")?;
        let alice = namespace.api::<crds::Agent>().get("alice").await?.status.unwrap_or_default();
        let through = alice.mcp_gateway_url.context("alice has no gateway URL")?;
        anyhow::ensure!(through == gateway.url, "{through}");
        Ok([alice.mcp_url.context("alice has no URL")?, through])
    })
    .await
}

async fn every_tool(claude: &ClaudeCode, bob: &Agent, to: &Did) -> anyhow::Result<()> {
    let given = answer(claude, SERVER, "submit_task", json!({"to": "bob", "text": "sum 1 2"})).await?;
    let to_bob =
        given.pointer("/task/id").and_then(Value::as_str).with_context(|| given.to_string())?.to_owned();
    let (message, from_bob) = mail_and_task(bob, to).await?;
    // Of one sender, what was sent later arrives later: the task is there when the server knows it.
    let status = json!({"id": from_bob, "wait_seconds": 1});
    eventually("mail and task have arrived", READY_TIMEOUT, async || {
        let waited = answer(claude, SERVER, "list_messages", json!({"wait_seconds": 10})).await?;
        anyhow::ensure!(waited.to_string().contains(&message), "{waited}");
        let known = answer(claude, SERVER, "get_task_status", status.clone()).await?;
        anyhow::ensure!(known.get("error").is_none(), "{known}");
        Ok(())
    })
    .await?;
    call_every_tool(claude, SERVER, &Prepared { message, from_bob, to_bob }).await
}

/// On a laptop with carol's Secrets as files; only the relay's address is another one from there.
async fn over_stdio(namespace: &TestNamespace, relay: &RelayPortForward, bob: &Agent) -> anyhow::Result<()> {
    let secrets = namespace.api::<Secret>();
    let credentials = secrets.get(&name::agent_credentials("carol")).await?;
    let identity = secrets.get(&name::agent_identity("carol")).await?;
    let folder = tempfile::tempdir()?;
    let did = value(&credentials, "did")?;
    for (file, text) in [
        ("url", relay.url()),
        ("did", did.clone()),
        ("token", value(&credentials, "token")?),
        ("identity.json", value(&identity, "identity.json")?),
    ] {
        write_secret(&folder.path().join(file), &text)?;
    }
    let environment = vec![
        ("MSG2AGENT_DIR".to_owned(), folder.path().display().to_string()),
        ("MSG2AGENT_MCP_STATE_DIR".to_owned(), folder.path().join("state").display().to_string()),
    ];
    let claude = ClaudeCode::new().await?;
    let program = programs::path("msg2agent-mcp-server")?;
    claude.add(SERVER, &Endpoint::Stdio { program, environment })?;
    every_tool(&claude, bob, &did.parse()?).await
}
