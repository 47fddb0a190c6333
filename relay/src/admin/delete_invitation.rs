//! `DELETE tenants/{tenant}/invitations/{id}`: takes it back, with the account that was made with it and all its grants.

use axum::Json;
use axum::extract::State;
use protocol::admin::Applied;

use super::Admin;
use super::body::current;
use super::path::OfInvitation;
use crate::problem::Refusal;

pub(super) async fn handle(
    State(admin): State<Admin>,
    OfInvitation(tenant, id): OfInvitation,
) -> Result<Json<Applied>, Refusal> {
    admin.invitations.withdraw(&tenant, &id).await?;
    Ok(current(&admin.directory))
}
