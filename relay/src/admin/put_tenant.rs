//! `PUT tenants/{tenant}`: creates or changes it. Suspending closes its sessions.

use axum::Json;
use axum::extract::State;
use protocol::admin::{Applied, TenantSpec};

use super::Admin;
use super::body::{Strict, applied};
use super::path::InTenant;
use crate::problem::Refusal;

pub(super) async fn handle(
    State(admin): State<Admin>,
    InTenant(tenant): InTenant,
    Strict(spec): Strict<TenantSpec>,
) -> Result<Json<Applied>, Refusal> {
    let written = admin.directory.put_tenant(tenant, spec).await?;
    Ok(applied(written))
}
