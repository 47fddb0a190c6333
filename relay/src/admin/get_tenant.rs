//! `GET tenants/{tenant}`.

use axum::Json;
use axum::extract::State;
use protocol::Reason;
use protocol::admin::TenantView;

use super::Admin;
use super::path::InTenant;
use crate::problem::Refusal;

pub(super) async fn handle(
    State(admin): State<Admin>,
    InTenant(tenant): InTenant,
) -> Result<Json<TenantView>, Refusal> {
    admin.directory.tenant_view(&tenant).map(Json).ok_or_else(|| Reason::NotFound.into())
}
