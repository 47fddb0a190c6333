//! Operations of the admin API on the MCP endpoint of an agent.

use axum::Json;
use axum::extract::State;
use protocol::Reason;
use protocol::admin::{Applied, McpSpec};

use super::AdminState;
use super::body::{StrictJson, write};
use super::path::AgentPath;
use crate::directory::{AdminOperation, Requester};
use crate::problem::ProblemResponse;

/// `GET tenants/{tenant}/agents/{name}/mcp` shows the MCP endpoint of an agent.
pub(super) async fn get(
    State(admin): State<AdminState>,
    AgentPath(tenant, name): AgentPath,
) -> Result<Json<McpSpec>, ProblemResponse> {
    let agent = admin.directory.agent(&admin.directory.did(&tenant, &name));
    let mcp = agent.and_then(|agent| agent.mcp.clone()).ok_or(Reason::NotFound)?;
    Ok(Json((*mcp).clone()))
}

/// `PUT tenants/{tenant}/agents/{name}/mcp` declares the URL of the agent's MCP endpoint and the
/// accounts that may sign in for it.
pub(super) async fn put(
    State(admin): State<AdminState>,
    AgentPath(tenant, name): AgentPath,
    by: Requester,
    StrictJson(spec): StrictJson<McpSpec>,
) -> Result<Json<Applied>, ProblemResponse> {
    let operation = AdminOperation::PutMcp(admin.directory.did(&tenant, &name), spec);
    write(&admin.directory, by, operation).await
}

/// `DELETE tenants/{tenant}/agents/{name}/mcp` removes the MCP endpoint. Nobody can sign in for the
/// agent any longer, and its tokens become inactive.
pub(super) async fn delete(
    State(admin): State<AdminState>,
    AgentPath(tenant, name): AgentPath,
    by: Requester,
) -> Result<Json<Applied>, ProblemResponse> {
    let operation = AdminOperation::DeleteMcp(admin.directory.did(&tenant, &name));
    write(&admin.directory, by, operation).await
}
