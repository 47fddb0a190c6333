//! Parses request bodies strictly, and answers writes.

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{FromRequest, Request};
use axum::http::StatusCode;
use protocol::admin::Applied;
use protocol::{Reason, strict_json};
use serde::de::DeserializeOwned;

use crate::directory::{AdminOperation, Directory, Requester, WriteError, Written};
use crate::problem::ProblemResponse;

/// A JSON body. An unknown or duplicate member is an error that names it.
#[derive(Debug)]
pub(super) struct StrictJson<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for StrictJson<T> {
    type Rejection = ProblemResponse;

    async fn from_request(request: Request, state: &S) -> Result<Self, ProblemResponse> {
        let bytes = Bytes::from_request(request, state).await.map_err(|error| unreadable(&error))?;
        let value = strict_json::from_slice(&bytes)
            .map_err(|error| ProblemResponse::new(Reason::InvalidParams, format!("the body: {error}")))?;
        Ok(Self(value))
    }
}

fn unreadable(error: &BytesRejection) -> ProblemResponse {
    let too_large = error.status() == StatusCode::PAYLOAD_TOO_LARGE;
    ProblemResponse::new(if too_large { Reason::TooLarge } else { Reason::Malformed }, error.body_text())
}

/// Makes one change of the directory, and answers it.
pub(super) async fn write(
    directory: &Directory,
    by: Requester,
    operation: AdminOperation,
) -> Result<Json<Applied>, ProblemResponse> {
    let is_named = by.owner.is_some();
    Ok(Json(applied(directory.administer(by, operation).await?, is_named)))
}

/// The first version of the API named no owner, and its clients refuse members that they do not
/// know.
pub(super) fn applied(written: Written, is_named: bool) -> Applied {
    let Written { version, changed, endpoint } = written;
    Applied { version, endpoint, changed: is_named.then_some(changed) }
}

/// The answer to a write that the directory's version does not count.
pub(super) fn current_version(directory: &Directory) -> Json<Applied> {
    Json(Applied::at(directory.version()))
}

impl From<WriteError> for ProblemResponse {
    fn from(error: WriteError) -> Self {
        let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}")).unwrap_or_default();
        Self { quota: error.quota(), ..Self::new(error.reason(), format!("{error}{cause}")) }
    }
}
