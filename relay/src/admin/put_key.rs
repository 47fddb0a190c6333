//! `PUT tenants/{tenant}/keys/{keyId}`: a key that opens every agent of the tenant.

use axum::Json;
use axum::extract::State;
use protocol::admin::{Applied, KeySpec};

use super::Admin;
use super::body::{Strict, applied};
use super::path::OfKey;
use crate::problem::Refusal;

pub(super) async fn handle(
    State(admin): State<Admin>,
    OfKey(tenant, id): OfKey,
    Strict(spec): Strict<KeySpec>,
) -> Result<Json<Applied>, Refusal> {
    let written = admin.directory.put_key(tenant, id, spec).await?;
    Ok(applied(written))
}
