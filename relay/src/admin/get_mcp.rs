//! `GET tenants/{tenant}/agents/{name}/mcp`.

use axum::Json;
use axum::extract::State;
use protocol::Reason;
use protocol::admin::McpSpec;

use super::Admin;
use super::path::OfAgent;
use crate::problem::Refusal;

pub(super) async fn handle(
    State(admin): State<Admin>,
    OfAgent(tenant, name): OfAgent,
) -> Result<Json<McpSpec>, Refusal> {
    let agent = admin.directory.agent(&admin.directory.did(&tenant, &name));
    let mcp = agent.and_then(|agent| agent.mcp.clone()).ok_or(Reason::NotFound)?;
    Ok(Json((*mcp).clone()))
}
