//! `PUT tenants/{tenant}/agents/{name}/suspension`: shuts an agent out or lets it in again; its keys, record and mailbox stay.

use axum::Json;
use axum::extract::State;
use protocol::admin::{Applied, Suspension};

use super::Admin;
use super::body::{Strict, applied};
use super::path::OfAgent;
use crate::problem::Refusal;

pub(super) async fn handle(
    State(admin): State<Admin>,
    OfAgent(tenant, name): OfAgent,
    Strict(Suspension { suspended }): Strict<Suspension>,
) -> Result<Json<Applied>, Refusal> {
    let written = admin.directory.suspend_agent(&tenant, &name, suspended).await?;
    Ok(applied(written))
}
