//! The admin API under `/admin/v1`: tenants, agents, keys, MCP endpoints and invitations. The
//! bodies are in `protocol::admin`.
//!
//! Every request needs the admin token. Every write answers the version that contains it, after the
//! change is committed and enforced on open sessions. The directory logs each write under the
//! target `audit`.

use std::sync::Arc;

use authorization::Invitations;
use axum::extract::{DefaultBodyLimit, State};
use axum::middleware;
use axum::routing::{get, put};
use axum::{Json, Router};
use daemon::token_file::TokenFile;
use protocol::admin::{BATCH_BYTES_MAX, Version, capability};

use crate::directory::Directory;
use crate::hub::Hub;

mod agents;
mod authorize;
mod batch;
mod body;
mod deletion;
mod invitations;
mod keys;
mod mcp;
mod metrics;
mod paging;
mod path;
mod requester;
mod tenants;

pub use metrics::AdminMetrics;

/// Bytes of a request body: twice the size of an agent with the largest card and all its keys.
const BODY_BYTES_MAX: usize = 64 * 1024;

/// What this relay knows and former versions did not.
const CAPABILITIES: [&str; 5] = [
    capability::OWNERS,
    capability::TERMS,
    capability::BULK,
    capability::DELETION_POLICY,
    capability::DIGESTS,
];

/// The state that the operations share.
#[derive(Debug, Clone)]
pub struct AdminState {
    pub directory: Arc<Directory>,
    pub hub: Arc<Hub>,
    pub invitations: Invitations,
    /// Read at each request, so that a rotated token is valid at once.
    pub token_file: TokenFile,
    pub metrics: AdminMetrics,
    /// Name and version of the binary.
    pub build: daemon::BuildInfo,
}

pub fn router(admin: AdminState) -> Router {
    let tenant = get(tenants::get).put(tenants::put).delete(tenants::delete);
    let agent = get(agents::get).put(agents::put).delete(agents::delete);
    let key = put(keys::put).delete(keys::delete);
    let mcp = get(mcp::get).put(mcp::put).delete(mcp::delete);
    let invitations = get(invitations::list).post(invitations::create);
    let invitation = put(invitations::put).delete(invitations::delete);
    Router::new()
        .route("/admin/v1/version", get(version))
        .route("/admin/v1/tenants", get(tenants::list))
        .route("/admin/v1/tenants/{tenant}", tenant)
        .route("/admin/v1/tenants/{tenant}/agents", get(agents::list))
        .route("/admin/v1/tenants/{tenant}/agents/{name}", agent)
        .route("/admin/v1/tenants/{tenant}/agents/{name}/mcp", mcp)
        .route("/admin/v1/tenants/{tenant}/invitations", invitations)
        .route("/admin/v1/tenants/{tenant}/invitations/{id}", invitation)
        .route("/admin/v1/tenants/{tenant}/agents/{name}/suspension", put(agents::suspend))
        .route("/admin/v1/tenants/{tenant}/keys", get(keys::list))
        .route("/admin/v1/tenants/{tenant}/keys/{key}", key)
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .route("/admin/v1/agents", put(batch::put).layer(DefaultBodyLimit::max(BATCH_BYTES_MAX)))
        .layer(middleware::from_fn_with_state(admin.clone(), authorize::authorize))
        .with_state(admin)
}

/// `GET version` shows the identity of the relay's state and its version.
async fn version(State(admin): State<AdminState>) -> Json<Version> {
    Json(Version {
        version: admin.directory.version(),
        instance: admin.directory.instance().to_owned(),
        domain: admin.directory.domain().clone(),
        build: format!("{} {}", admin.build.binary, admin.build.version),
        capabilities: CAPABILITIES.iter().map(ToString::to_string).collect(),
    })
}
