//! `DELETE tenants/{tenant}/agents/{name}/mcp`: nobody can sign in for the agent any more, and its tokens are inactive.

use axum::Json;
use axum::extract::State;
use protocol::admin::Applied;

use super::Admin;
use super::body::applied;
use super::path::OfAgent;
use crate::problem::Refusal;

pub(super) async fn handle(
    State(admin): State<Admin>,
    OfAgent(tenant, name): OfAgent,
) -> Result<Json<Applied>, Refusal> {
    let written = admin.directory.delete_mcp(&tenant, &name).await?;
    Ok(applied(written))
}
