//! `DELETE tenants/{tenant}`: removes it with its agents, keys and sessions.

use axum::Json;
use axum::extract::State;
use protocol::admin::Applied;

use super::Admin;
use super::body::applied;
use super::path::InTenant;
use crate::problem::Refusal;

pub(super) async fn handle(
    State(admin): State<Admin>,
    InTenant(tenant): InTenant,
) -> Result<Json<Applied>, Refusal> {
    let written = admin.directory.delete_tenant(tenant).await?;
    Ok(applied(written))
}
