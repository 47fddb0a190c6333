//! Signs a person in to an Agent's endpoint with nothing but its URL and the accounts in the
//! Tenant.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use crds::tenant::InvitationState;
use crds::{Relay, Tenant};
use devtools::eventually::eventually;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{Patch, PatchParams};
use msg2agent_tests::browser::{Browser, Decision};
use msg2agent_tests::custom_resources::{ready_agent, value};
use msg2agent_tests::installed_operator::in_installed;
use msg2agent_tests::namespace::TestNamespace;
use msg2agent_tests::oauth_client::{Answer, OauthClient};
use msg2agent_tests::service_port_forward::ServicePortForward;
use reqwest::StatusCode;
use serde_json::{Value, json};

/// The operator writes within a second; a kubelet may show a changed Secret two minutes late.
const CHANGE_TIMEOUT: Duration = Duration::from_secs(180);

#[tokio::test]
async fn a_person_with_an_invitation_signs_in_and_loses_access_with_it() {
    in_installed("sign-in", async |namespace| {
        let mut visitor = visit_alice(&namespace).await?;
        change_tenant(&namespace, json!({"invitations": [{"name": "claude", "agent": "alice"}]})).await?;
        let code = invitation(&namespace).await?;
        let tokens = visitor.sign_in(&code).await?;
        let listed = visitor.client.list_tools(tokens.text("access_token")?).await?;
        ensure!(listed.body["result"]["tools"].is_array(), "{listed:?}");

        change_tenant(&namespace, json!({"invitations": []})).await?;
        eventually("the access is gone with the invitation", CHANGE_TIMEOUT, async || {
            let refused = visitor.client.refresh(tokens.text("refresh_token")?).await?;
            ensure!(refused.body["error"] == "invalid_grant", "{refused:?}");
            Ok(())
        })
        .await?;
        let emptied = namespace.api::<Secret>().get("acme-invitation-claude").await?;
        ensure!(emptied.data.unwrap_or_default().is_empty(), "the code is still in the Secret");
        Ok(())
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn a_new_signing_key_drops_no_token() {
    in_installed("signing-keys", async |namespace| {
        let mut visitor = visit_alice(&namespace).await?;
        change_tenant(&namespace, json!({"invitations": [{"name": "claude", "agent": "alice"}]})).await?;
        let code = invitation(&namespace).await?;
        let before = visitor.sign_in(&code).await?;
        let request = json!({"spec": {"oauth": {"signingKeys": {"requestedRotation": "now"}}}});
        namespace.api::<Relay>().patch("main", &PatchParams::default(), &Patch::Merge(request)).await?;
        let old = key_id(before.text("access_token")?)?;
        let mut refresh = before.text("refresh_token")?.to_owned();
        let after = eventually("the new key signs", CHANGE_TIMEOUT, async || {
            let tokens = visitor.client.refresh(&refresh).await?;
            refresh = tokens.text("refresh_token")?.to_owned();
            ensure!(key_id(tokens.text("access_token")?)? != old, "the old key signs");
            Ok(tokens)
        })
        .await?;
        for tokens in [&before, &after] {
            let listed = visitor.client.list_tools(tokens.text("access_token")?).await?;
            ensure!(listed.status == StatusCode::OK, "{listed:?}");
        }
        Ok(())
    })
    .await
    .unwrap();
}

/// A client and a browser, and the way on which they reach the cluster.
struct Visitor {
    client: OauthClient,
    browser: Browser,
    _door: ServicePortForward,
}

/// Makes alice with an endpoint, and goes there.
async fn visit_alice(namespace: &TestNamespace) -> anyhow::Result<Visitor> {
    let alice = ready_agent(namespace, "alice", json!({"mcp": {"enabled": true}})).await?;
    let url = alice.status.and_then(|status| status.mcp_url).context("read the URL")?;
    let relay = ServicePortForward::open(namespace.client.clone()).await?;
    let http = relay.http(&authorities(namespace, "alice").await?)?;
    let client = OauthClient::register(http.clone(), &url).await?;
    Ok(Visitor { client, browser: Browser::with(http), _door: relay })
}

/// The authorities of the relay and of the agent's endpoint, which are not the same.
async fn authorities(namespace: &TestNamespace, agent: &str) -> anyhow::Result<String> {
    let mut authorities = String::new();
    for secret in [format!("{agent}-relay"), format!("{agent}-mcp-tls")] {
        authorities.push_str(&value(&namespace.api::<Secret>().get(&secret).await?, "ca.crt")?);
    }
    Ok(authorities)
}

impl Visitor {
    async fn sign_in(&mut self, code: &str) -> anyhow::Result<Answer> {
        let callback = self.browser.decide(&self.client.authorization_url()?, code, Decision::Allow).await?;
        let tokens = self.client.exchange(&callback).await?;
        ensure!(tokens.status == StatusCode::OK, "{tokens:?}");
        Ok(tokens)
    }
}

async fn change_tenant(namespace: &TestNamespace, spec: Value) -> anyhow::Result<()> {
    let change = Patch::Merge(json!({"spec": spec}));
    namespace.api::<Tenant>().patch("acme", &PatchParams::default(), &change).await?;
    Ok(())
}

/// The code of the invitation `claude`, once the relay takes it.
async fn invitation(namespace: &TestNamespace) -> anyhow::Result<String> {
    eventually("the invitation is open", CHANGE_TIMEOUT, async || {
        let status = namespace.api::<Tenant>().get("acme").await?.status.unwrap_or_default();
        let open = status.invitations.iter().any(|found| found.state == InvitationState::Open);
        ensure!(open, "{:?}", status.invitations);
        Ok(())
    })
    .await?;
    value(&namespace.api::<Secret>().get("acme-invitation-claude").await?, "code")
}

/// `kid` of a JWT's header.
fn key_id(token: &str) -> anyhow::Result<Value> {
    let header = token.split('.').next().unwrap_or_default();
    let header: Value = serde_json::from_slice(&protocol::base64url::decode(header)?)?;
    header.get("kid").cloned().context("the token names no key")
}
