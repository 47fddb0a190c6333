//! Operations of the admin API on keys of a tenant.

use axum::Json;
use axum::extract::State;
use protocol::Reason;
use protocol::admin::{Applied, KeySpec, KeyView, Page};
use protocol::api_key::KeyId;

use super::AdminState;
use super::body::{StrictJson, write};
use super::paging::Paging;
use super::path::{KeyPath, TenantPath};
use crate::directory::{AdminOperation, Requester};
use crate::problem::ProblemResponse;

/// `GET tenants/{tenant}/keys?after=&limit=` lists the ids of the tenant's own keys, without those
/// of its agents.
pub(super) async fn list(
    State(admin): State<AdminState>,
    TenantPath(tenant): TenantPath,
    paging: Paging<KeyId>,
) -> Result<Json<Page<KeyView>>, ProblemResponse> {
    let page = admin.directory.key_page(&tenant, paging.after.as_ref(), paging.limit);
    page.map(Json).ok_or_else(|| Reason::NotFound.into())
}

/// `PUT tenants/{tenant}/keys/{keyId}` declares a key that gives access to every agent of the
/// tenant.
pub(super) async fn put(
    State(admin): State<AdminState>,
    KeyPath(tenant, id): KeyPath,
    by: Requester,
    StrictJson(spec): StrictJson<KeySpec>,
) -> Result<Json<Applied>, ProblemResponse> {
    write(&admin.directory, by, AdminOperation::PutKey(tenant, id, spec)).await
}

/// `DELETE tenants/{tenant}/keys/{keyId}` revokes a key. Its sessions are closed before the answer.
pub(super) async fn delete(
    State(admin): State<AdminState>,
    KeyPath(tenant, id): KeyPath,
    by: Requester,
) -> Result<Json<Applied>, ProblemResponse> {
    write(&admin.directory, by, AdminOperation::DeleteKey(tenant, id)).await
}
