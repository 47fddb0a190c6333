//! `POST tenants/{tenant}/invitations`: makes an invitation. Its code is in this answer and nowhere else.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderName, header};
use protocol::admin::{Invitation, InvitationSpec};

use super::Admin;
use super::body::Strict;
use super::path::InTenant;
use crate::problem::Refusal;

pub(super) async fn handle(
    State(admin): State<Admin>,
    InTenant(tenant): InTenant,
    Strict(spec): Strict<InvitationSpec>,
) -> Result<([(HeaderName, &'static str); 1], Json<Invitation>), Refusal> {
    let invitation = admin.invitations.create(&tenant, spec).await?;
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(invitation)))
}
