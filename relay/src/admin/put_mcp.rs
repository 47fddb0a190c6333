//! `PUT tenants/{tenant}/agents/{name}/mcp`: where the agent's MCP endpoint is, and who may sign in for it.

use axum::Json;
use axum::extract::State;
use protocol::admin::{Applied, McpSpec};

use super::Admin;
use super::body::{Strict, applied};
use super::path::OfAgent;
use crate::problem::Refusal;

pub(super) async fn handle(
    State(admin): State<Admin>,
    OfAgent(tenant, name): OfAgent,
    Strict(spec): Strict<McpSpec>,
) -> Result<Json<Applied>, Refusal> {
    let written = admin.directory.put_mcp(&tenant, &name, spec).await?;
    Ok(applied(written))
}
