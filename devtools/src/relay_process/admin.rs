//! Calls the relay's admin API for tests: creates tenants, agents and keys.

use anyhow::{Context as _, ensure};
use msg2agent::config::Endpoint;
use msg2agent::{Config, KeySource, TokenSource};
use protocol::admin::{
    AgentKey, AgentSpec, Applied, Invitation, InvitationSpec, KeySpec, McpSpec, OWNER_HEADER, Suspension,
    TenantSpec, agent_path, invitations_path, mcp_path, suspension_path, tenant_path,
};
use protocol::api_key::ApiKey;
use protocol::did::{AgentName, TenantId};
use protocol::{Identity, multikey};
use reqwest::Method;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::RelayProcess;
use crate::http_client;

pub struct Admin {
    url: String,
    token: String,
    /// Whoever writes. `None`: the writes name nobody.
    owner: Option<String>,
    http: reqwest::Client,
}

impl Admin {
    pub(super) fn new(url: String, token: &str) -> anyhow::Result<Self> {
        Ok(Self { url, token: token.to_owned(), owner: None, http: http_client::new()? })
    }

    /// The same admin API, with writes in the name of an owner such as `kubernetes:<uid>`.
    #[must_use]
    pub fn owned_by(self, owner: &str) -> Self {
        Self { owner: Some(owner.to_owned()), ..self }
    }

    /// # Errors
    /// Refused, or no answer.
    pub async fn put_tenant(&self, tenant: &str, spec: &TenantSpec) -> anyhow::Result<Applied> {
        let tenant: TenantId = tenant.parse()?;
        self.write(Method::PUT, &tenant_path(&tenant), Some(spec)).await
    }

    /// A new key that opens every agent of the tenant.
    ///
    /// # Errors
    /// Refused, or no answer.
    pub async fn make_tenant_key(&self, tenant: &str) -> anyhow::Result<ApiKey> {
        let key = ApiKey::generate(&mut rand::rng());
        let path = format!("/admin/v1/tenants/{tenant}/keys/{}", key.hash().key_id());
        let spec = KeySpec { sha256: key.hash(), not_after: None };
        self.write::<_, Applied>(Method::PUT, &path, Some(&spec)).await?;
        Ok(key)
    }

    /// Declares an agent with its root key and one API key.
    ///
    /// # Errors
    /// Refused, or no answer.
    pub async fn make_agent(&self, identity: &Identity) -> anyhow::Result<ApiKey> {
        let key = ApiKey::generate(&mut rand::rng());
        let spec = AgentSpec {
            root_key: Some(multikey::encode_ed25519(&identity.root_public())),
            keys: vec![AgentKey { sha256: key.hash(), not_after: None }],
            ..AgentSpec::default()
        };
        self.put_agent(identity, &spec).await?;
        Ok(key)
    }

    /// # Errors
    /// Refused, or no answer.
    pub async fn put_agent(&self, identity: &Identity, spec: &AgentSpec) -> anyhow::Result<Applied> {
        self.write(Method::PUT, &path_of(identity)?, Some(spec)).await
    }

    /// # Errors
    /// Refused, or no answer.
    pub async fn delete_agent(&self, identity: &Identity) -> anyhow::Result<Applied> {
        self.write::<(), _>(Method::DELETE, &path_of(identity)?, None).await
    }

    /// Suspends an agent, or lifts that.
    ///
    /// # Errors
    /// Refused, or no answer.
    pub async fn suspend(&self, identity: &Identity, suspended: bool) -> anyhow::Result<Applied> {
        let (tenant, name) = names(identity)?;
        self.write(Method::PUT, &suspension_path(&tenant, &name), Some(&Suspension { suspended })).await
    }

    /// Makes an agent's MCP endpoint a resource that people may sign in for, with invitations only.
    ///
    /// # Errors
    /// Refused, or no answer.
    pub async fn put_mcp(&self, identity: &Identity, url: &str) -> anyhow::Result<Applied> {
        let (tenant, name) = names(identity)?;
        let spec = McpSpec { url: url.to_owned(), accounts: Vec::new(), endpoint: None };
        self.write(Method::PUT, &mcp_path(&tenant, &name), Some(&spec)).await
    }

    /// # Errors
    /// Refused, or no answer.
    pub async fn invite(&self, identity: &Identity) -> anyhow::Result<Invitation> {
        let (tenant, agent) = names(identity)?;
        let spec = InvitationSpec { agent, expires_in_seconds: None };
        self.write(Method::POST, &invitations_path(&tenant), Some(&spec)).await
    }

    /// Status and body of a `GET`.
    ///
    /// # Errors
    /// No answer.
    pub async fn ask(&self, path: &str) -> anyhow::Result<(u16, String)> {
        self.ask_with(path, &self.token).await
    }

    /// As [`ask`](Self::ask), with another bearer token.
    ///
    /// # Errors
    /// As [`ask`](Self::ask).
    pub async fn ask_with(&self, path: &str, token: &str) -> anyhow::Result<(u16, String)> {
        let request = self.http.get(format!("{}{path}", self.url)).bearer_auth(token);
        let answer = request.send().await.with_context(|| format!("ask {path}"))?;
        Ok((answer.status().as_u16(), answer.text().await?))
    }

    async fn write<T: Serialize, R: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<&T>,
    ) -> anyhow::Result<R> {
        let mut request = self.http.request(method, format!("{}{path}", self.url)).bearer_auth(&self.token);
        if let Some(owner) = &self.owner {
            request = request.header(OWNER_HEADER, owner);
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        let answer = request.send().await.with_context(|| format!("ask {path}"))?;
        let status = answer.status();
        let text = answer.text().await?;
        ensure!(status.is_success(), "{path}: {status}: {text}");
        serde_json::from_str(&text).with_context(|| format!("read the answer of {path}"))
    }
}

fn path_of(identity: &Identity) -> anyhow::Result<String> {
    let (tenant, name) = names(identity)?;
    Ok(agent_path(&tenant, &name))
}

fn names(identity: &Identity) -> anyhow::Result<(TenantId, AgentName)> {
    Ok((identity.did().tenant(), identity.did().name().parse()?))
}

impl RelayProcess {
    /// The configuration with which an agent with these keys connects.
    ///
    /// # Errors
    /// Never for a loopback URL.
    pub fn config(&self, identity: Identity, key: &ApiKey) -> anyhow::Result<Config> {
        let did = identity.did().clone();
        let token = TokenSource::Value(key.clone());
        let keys = KeySource::Memory(std::sync::Arc::new(identity));
        Ok(Config::new(Endpoint::new(&self.url())?, did, token, keys))
    }
}
