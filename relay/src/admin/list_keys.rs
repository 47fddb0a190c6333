//! `GET tenants/{tenant}/keys?after=&limit=`: the tenant's own keys by their ids, without those of its agents.

use axum::Json;
use axum::extract::State;
use protocol::Reason;
use protocol::admin::{KeyView, Page};
use protocol::api_key::KeyId;

use super::Admin;
use super::paging::Paging;
use super::path::InTenant;
use crate::problem::Refusal;

pub(super) async fn handle(
    State(admin): State<Admin>,
    InTenant(tenant): InTenant,
    paging: Paging<KeyId>,
) -> Result<Json<Page<KeyView>>, Refusal> {
    let page = admin.directory.key_page(&tenant, paging.after.as_ref(), paging.limit);
    page.map(Json).ok_or_else(|| Reason::NotFound.into())
}
