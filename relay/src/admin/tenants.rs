//! Operations of the admin API on tenants.

use axum::Json;
use axum::extract::State;
use protocol::Reason;
use protocol::admin::{Applied, Page, TenantSpec, TenantView};
use protocol::did::TenantId;

use super::AdminState;
use super::body::{StrictJson, write};
use super::deletion::RequestedPolicy;
use super::paging::Paging;
use super::path::TenantPath;
use crate::directory::{AdminOperation, Requester};
use crate::problem::ProblemResponse;

/// `GET tenants?after=&limit=` lists the tenants in the order of their ids.
pub(super) async fn list(
    State(admin): State<AdminState>,
    paging: Paging<TenantId>,
) -> Json<Page<TenantView>> {
    Json(admin.directory.tenant_page(paging.after.as_ref(), paging.limit))
}

/// `GET tenants/{tenant}` shows a tenant.
pub(super) async fn get(
    State(admin): State<AdminState>,
    TenantPath(tenant): TenantPath,
) -> Result<Json<TenantView>, ProblemResponse> {
    admin.directory.tenant_view(&tenant).map(Json).ok_or_else(|| Reason::NotFound.into())
}

/// `PUT tenants/{tenant}` creates or changes a tenant. Suspending it closes its sessions.
pub(super) async fn put(
    State(admin): State<AdminState>,
    TenantPath(tenant): TenantPath,
    by: Requester,
    StrictJson(spec): StrictJson<TenantSpec>,
) -> Result<Json<Applied>, ProblemResponse> {
    write(&admin.directory, by, AdminOperation::PutTenant(tenant, spec)).await
}

/// `DELETE tenants/{tenant}?policy=` removes a tenant with its keys and sessions, and also its
/// agents with their mailboxes unless the policy retains them.
pub(super) async fn delete(
    State(admin): State<AdminState>,
    TenantPath(tenant): TenantPath,
    by: Requester,
    RequestedPolicy(policy): RequestedPolicy,
) -> Result<Json<Applied>, ProblemResponse> {
    write(&admin.directory, by, AdminOperation::DeleteTenant(tenant, policy)).await
}
