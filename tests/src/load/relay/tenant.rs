//! The tenant of a run and its one key, over the relay's admin API.

use anyhow::{Context as _, ensure};
use protocol::admin::{KeySpec, TenantSpec};
use protocol::api_key::ApiKey;
use serde::Serialize;

use super::TENANT;
use super::start::Started;

pub(super) async fn admit(relay: &Started, key: &ApiKey) -> anyhow::Result<()> {
    put(relay, &format!("tenants/{TENANT}"), &TenantSpec::default()).await?;
    let spec = KeySpec { sha256: key.hash(), not_after: None };
    put(relay, &format!("tenants/{TENANT}/keys/{}", key.hash().key_id()), &spec).await
}

async fn put(relay: &Started, path: &str, body: &impl Serialize) -> anyhow::Result<()> {
    let url = format!("http://{}/admin/v1/{path}", relay.admin);
    let request = reqwest::Client::new().put(url).bearer_auth(&relay.admin_token).json(body);
    let answer = request.send().await.context("ask the admin API")?;
    let status = answer.status();
    ensure!(status.is_success(), "the admin API answers {status} to {path}: {}", answer.text().await?);
    Ok(())
}
