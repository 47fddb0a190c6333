//! `DELETE tenants/{tenant}/invitations/{id}`: takes it back, with the account that was made with it and all its grants.

use axum::extract::State;
use axum::http::StatusCode;

use super::Admin;
use super::path::OfInvitation;
use crate::problem::Refusal;

pub(super) async fn handle(
    State(admin): State<Admin>,
    OfInvitation(tenant, id): OfInvitation,
) -> Result<StatusCode, Refusal> {
    admin.oauth.withdraw(&tenant, &id).await?;
    Ok(StatusCode::NO_CONTENT)
}
