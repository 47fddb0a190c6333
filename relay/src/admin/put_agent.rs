//! `PUT tenants/{tenant}/agents/{name}`: declares an agent with all its keys. A key that is left out is revoked and its
//! sessions are closed before the answer.

use axum::Json;
use axum::extract::State;
use protocol::admin::{AgentSpec, Applied};

use super::Admin;
use super::body::{Strict, applied};
use super::path::OfAgent;
use crate::problem::Refusal;

pub(super) async fn handle(
    State(admin): State<Admin>,
    OfAgent(tenant, name): OfAgent,
    Strict(spec): Strict<AgentSpec>,
) -> Result<Json<Applied>, Refusal> {
    let written = admin.directory.put_agent(&tenant, &name, spec).await?;
    Ok(applied(written))
}
