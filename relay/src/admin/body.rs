//! Reading a body strictly, and answering a write.

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{FromRequest, Request};
use axum::http::StatusCode;
use protocol::admin::Applied;
use protocol::{Reason, strict_json};
use serde::de::DeserializeOwned;

use crate::directory::{Directory, WriteError, Written};
use crate::problem::Refusal;

/// A JSON body of a known shape; an unknown or duplicate member is an error that names it.
#[derive(Debug)]
pub(super) struct Strict<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Strict<T> {
    type Rejection = Refusal;

    async fn from_request(request: Request, state: &S) -> Result<Self, Refusal> {
        let bytes = Bytes::from_request(request, state).await.map_err(|error| unreadable(&error))?;
        let value = strict_json::from_slice(&bytes)
            .map_err(|error| Refusal::new(Reason::InvalidParams, format!("the body: {error}")))?;
        Ok(Self(value))
    }
}

fn unreadable(error: &BytesRejection) -> Refusal {
    let too_large = error.status() == StatusCode::PAYLOAD_TOO_LARGE;
    Refusal::new(if too_large { Reason::TooLarge } else { Reason::Malformed }, error.body_text())
}

pub(super) fn applied(written: Written) -> Json<Applied> {
    Json(Applied { version: written.version })
}

/// For writes that the directory's version does not count.
pub(super) fn current(directory: &Directory) -> Json<Applied> {
    Json(Applied { version: directory.version() })
}

impl From<WriteError> for Refusal {
    fn from(error: WriteError) -> Self {
        let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}")).unwrap_or_default();
        Self::new(error.reason(), format!("{error}{cause}"))
    }
}
