//! `DELETE tenants/{tenant}/keys/{keyId}`: revokes it; its sessions are closed before the answer.

use axum::Json;
use axum::extract::State;
use protocol::admin::Applied;

use super::Admin;
use super::body::applied;
use super::path::OfKey;
use crate::problem::Refusal;

pub(super) async fn handle(
    State(admin): State<Admin>,
    OfKey(tenant, id): OfKey,
) -> Result<Json<Applied>, Refusal> {
    let written = admin.directory.delete_key(tenant, id).await?;
    Ok(applied(written))
}
