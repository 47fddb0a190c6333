//! Operations of the admin API on invitations to sign in.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderName, header};
use protocol::admin::{Applied, DeclaredInvitation, Invitation, InvitationSpec, InvitationView, Page};
use protocol::did::TenantId;

use super::AdminState;
use super::body::{StrictJson, applied, current_version};
use super::paging::Paging;
use super::path::{InvitationPath, TenantPath};
use crate::directory::{AdminOperation, Requester, Written};
use crate::problem::ProblemResponse;

/// `GET tenants/{tenant}/invitations?after=&limit=` lists the invitations, without their codes.
pub(super) async fn list(
    State(admin): State<AdminState>,
    TenantPath(tenant): TenantPath,
    paging: Paging<String>,
) -> Result<Json<Page<InvitationView>>, ProblemResponse> {
    Ok(Json(admin.invitations.page(&tenant, paging.after.as_deref(), paging.limit).await?))
}

/// `POST tenants/{tenant}/invitations` creates an invitation. Only this answer contains its code.
pub(super) async fn create(
    State(admin): State<AdminState>,
    TenantPath(tenant): TenantPath,
    by: Requester,
    StrictJson(spec): StrictJson<InvitationSpec>,
) -> Result<([(HeaderName, &'static str); 1], Json<Invitation>), ProblemResponse> {
    check_right(&admin, by, &tenant).await?;
    let invitation = admin.invitations.create(&tenant, spec).await?;
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(invitation)))
}

/// `PUT tenants/{tenant}/invitations/{id}` declares an invitation whose code the admin keeps.
/// Another code or agent under the same id withdraws the old invitation and the account made with
/// it.
pub(super) async fn put(
    State(admin): State<AdminState>,
    InvitationPath(tenant, id): InvitationPath,
    by: Requester,
    StrictJson(spec): StrictJson<DeclaredInvitation>,
) -> Result<Json<Applied>, ProblemResponse> {
    check_right(&admin, by, &tenant).await?;
    admin.invitations.declare(&tenant, &id, &spec).await?;
    Ok(current_version(&admin.directory))
}

/// `DELETE tenants/{tenant}/invitations/{id}` withdraws an invitation, with the account that was
/// made with it and all grants of that account.
pub(super) async fn delete(
    State(admin): State<AdminState>,
    InvitationPath(tenant, id): InvitationPath,
    by: Requester,
) -> Result<Json<Applied>, ProblemResponse> {
    let is_named = by.owner.is_some();
    if admin.directory.has_tenant(&tenant) {
        check_right(&admin, by, &tenant).await?;
    }
    let changed = admin.invitations.withdraw(&tenant, &id).await?;
    let written = Written { version: admin.directory.version(), changed, endpoint: None };
    Ok(Json(applied(written, is_named)))
}

/// Refuses everybody who may not change the tenant, and former leaders of the control plane.
async fn check_right(admin: &AdminState, by: Requester, tenant: &TenantId) -> Result<(), ProblemResponse> {
    let operation = AdminOperation::ChangeInvitations(tenant.clone());
    admin.directory.administer(by, operation).await?;
    Ok(())
}
