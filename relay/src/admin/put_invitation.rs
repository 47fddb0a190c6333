//! `PUT tenants/{tenant}/invitations/{id}`: an invitation whose code the admin keeps. Another code or agent under the same id
//! takes the old one back, with the account that was made of it.

use axum::Json;
use axum::extract::State;
use protocol::admin::{Applied, DeclaredInvitation};

use super::Admin;
use super::body::{Strict, current};
use super::path::OfInvitation;
use crate::problem::Refusal;

pub(super) async fn handle(
    State(admin): State<Admin>,
    OfInvitation(tenant, id): OfInvitation,
    Strict(spec): Strict<DeclaredInvitation>,
) -> Result<Json<Applied>, Refusal> {
    admin.invitations.declare(&tenant, &id, &spec).await?;
    Ok(current(&admin.directory))
}
