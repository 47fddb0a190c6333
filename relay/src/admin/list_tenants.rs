//! `GET tenants?after=&limit=`, in the order of their ids.

use axum::Json;
use axum::extract::State;
use protocol::admin::{Page, TenantView};
use protocol::did::TenantId;

use super::Admin;
use super::paging::Paging;

pub(super) async fn handle(State(admin): State<Admin>, paging: Paging<TenantId>) -> Json<Page<TenantView>> {
    Json(admin.directory.tenant_page(paging.after.as_ref(), paging.limit))
}
