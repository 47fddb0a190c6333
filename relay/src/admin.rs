//! `/admin/v1` on the admin listener: tenants, agents and keys, one operation per file. Bodies are in `protocol::admin`.
//!
//! Every request needs the admin token. Every write answers the version that contains it, committed and enforced on open
//! sessions; the directory leaves one line for it in the log under the target `audit`.

use std::sync::Arc;

use authorization::Invitations;
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware;
use axum::routing::get;

use crate::directory::Directory;
use crate::hub::Hub;
use crate::token_file::TokenFile;

mod authorize;
mod body;
mod delete_agent;
mod delete_invitation;
mod delete_key;
mod delete_mcp;
mod delete_tenant;
mod get_agent;
mod get_mcp;
mod get_tenant;
mod get_version;
mod list_agents;
mod list_invitations;
mod list_keys;
mod list_tenants;
mod metrics;
mod paging;
mod path;
mod post_invitation;
mod put_agent;
mod put_invitation;
mod put_key;
mod put_mcp;
mod put_suspension;
mod put_tenant;

pub use metrics::AdminMetrics;

/// Bytes of a request body: an agent with its largest card and all its keys has half of it.
const BODY_BYTES_MAX: usize = 64 * 1024;

/// What the operations work on.
#[derive(Debug, Clone)]
pub struct Admin {
    pub directory: Arc<Directory>,
    pub hub: Arc<Hub>,
    pub invitations: Invitations,
    /// Read at each request, so that a rotated token holds at once.
    pub token_file: TokenFile,
    pub metrics: AdminMetrics,
    /// Name and version of the binary.
    pub build: daemon::BuildInfo,
}

pub fn router(admin: Admin) -> Router {
    let tenant = get(get_tenant::handle).put(put_tenant::handle).delete(delete_tenant::handle);
    let agent = get(get_agent::handle).put(put_agent::handle).delete(delete_agent::handle);
    let key = axum::routing::put(put_key::handle).delete(delete_key::handle);
    let mcp = get(get_mcp::handle).put(put_mcp::handle).delete(delete_mcp::handle);
    let invitations = get(list_invitations::handle).post(post_invitation::handle);
    let invitation = axum::routing::put(put_invitation::handle).delete(delete_invitation::handle);
    Router::new()
        .route("/admin/v1/version", get(get_version::handle))
        .route("/admin/v1/tenants", get(list_tenants::handle))
        .route("/admin/v1/tenants/{tenant}", tenant)
        .route("/admin/v1/tenants/{tenant}/agents", get(list_agents::handle))
        .route("/admin/v1/tenants/{tenant}/agents/{name}", agent)
        .route("/admin/v1/tenants/{tenant}/agents/{name}/mcp", mcp)
        .route("/admin/v1/tenants/{tenant}/invitations", invitations)
        .route("/admin/v1/tenants/{tenant}/invitations/{id}", invitation)
        .route(
            "/admin/v1/tenants/{tenant}/agents/{name}/suspension",
            axum::routing::put(put_suspension::handle),
        )
        .route("/admin/v1/tenants/{tenant}/keys", get(list_keys::handle))
        .route("/admin/v1/tenants/{tenant}/keys/{key}", key)
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(middleware::from_fn_with_state(admin.clone(), authorize::authorize))
        .with_state(admin)
}
