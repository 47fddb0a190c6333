//! `GET version`: which state this relay holds and how far it is.

use axum::Json;
use axum::extract::State;
use protocol::admin::Version;

use super::Admin;

pub(super) async fn handle(State(admin): State<Admin>) -> Json<Version> {
    Json(Version {
        version: admin.directory.version(),
        instance: admin.directory.instance().to_owned(),
        domain: admin.directory.domain().clone(),
        build: format!("{} {}", admin.build.binary, admin.build.version),
    })
}
