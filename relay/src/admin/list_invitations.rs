//! `GET tenants/{tenant}/invitations?after=&limit=`, without their codes.

use axum::Json;
use axum::extract::State;
use protocol::admin::{InvitationView, Page};

use super::Admin;
use super::paging::Paging;
use super::path::InTenant;
use crate::problem::Refusal;

pub(super) async fn handle(
    State(admin): State<Admin>,
    InTenant(tenant): InTenant,
    paging: Paging<String>,
) -> Result<Json<Page<InvitationView>>, Refusal> {
    Ok(Json(admin.invitations.page(&tenant, paging.after.as_deref(), paging.limit).await?))
}
