//! OAuth error responses (RFC 6749 section 5.2, RFC 7591 section 3.2.2, RFC 8707 section 2).

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use daemon::error_chain;
use serde::Serialize;

/// Error codes of the IANA registry "OAuth Extensions Error".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ErrorCode {
    AccessDenied,
    InvalidClient,
    InvalidClientMetadata,
    InvalidGrant,
    InvalidRedirectUri,
    InvalidRequest,
    InvalidScope,
    InvalidTarget,
    InvalidToken,
    ServerError,
    TemporarilyUnavailable,
    UnsupportedGrantType,
    UnsupportedResponseType,
}

impl ErrorCode {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::AccessDenied => "access_denied",
            Self::InvalidClient => "invalid_client",
            Self::InvalidClientMetadata => "invalid_client_metadata",
            Self::InvalidGrant => "invalid_grant",
            Self::InvalidRedirectUri => "invalid_redirect_uri",
            Self::InvalidRequest => "invalid_request",
            Self::InvalidScope => "invalid_scope",
            Self::InvalidTarget => "invalid_target",
            Self::InvalidToken => "invalid_token",
            Self::ServerError => "server_error",
            Self::TemporarilyUnavailable => "temporarily_unavailable",
            Self::UnsupportedGrantType => "unsupported_grant_type",
            Self::UnsupportedResponseType => "unsupported_response_type",
        }
    }

    pub(crate) const fn status(self) -> StatusCode {
        match self {
            Self::InvalidClient | Self::InvalidToken => StatusCode::UNAUTHORIZED,
            Self::AccessDenied => StatusCode::FORBIDDEN,
            Self::ServerError => StatusCode::INTERNAL_SERVER_ERROR,
            Self::TemporarilyUnavailable => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::BAD_REQUEST,
        }
    }
}

/// A refused request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OauthError {
    pub(crate) code: ErrorCode,
    /// A code of our own for metrics and tests, finer than `code`.
    pub(crate) reason: &'static str,
    /// A sentence for the client's developer, or for the person in front of a page.
    pub(crate) description: String,
    /// Seconds until a retry can succeed; makes the status 429.
    pub(crate) retry_after: Option<u64>,
}

#[derive(Serialize)]
struct Body<'a> {
    error: &'a str,
    error_description: &'a str,
}

impl OauthError {
    pub(crate) fn new(code: ErrorCode, reason: &'static str, description: impl Into<String>) -> Self {
        Self { code, reason, description: description.into(), retry_after: None }
    }

    /// An internal error. The cause is logged and not sent.
    pub(crate) fn internal(what: &'static str, cause: &dyn std::error::Error) -> Self {
        tracing::error!(what, error = %error_chain(cause), "the authorization server failed");
        Self::new(ErrorCode::ServerError, "internal", "the relay failed; try again later")
    }

    pub(crate) fn too_many(retry_after: u64) -> Self {
        let description = "too many requests; wait as long as Retry-After says";
        let refused = Self::new(ErrorCode::TemporarilyUnavailable, "throttled", description);
        Self { retry_after: Some(retry_after), ..refused }
    }

    pub(crate) fn status(&self) -> StatusCode {
        if self.retry_after.is_some() { StatusCode::TOO_MANY_REQUESTS } else { self.code.status() }
    }
}

impl From<sqlx::Error> for OauthError {
    fn from(error: sqlx::Error) -> Self {
        Self { reason: "storage", ..Self::internal("storage", &error) }
    }
}

impl IntoResponse for OauthError {
    fn into_response(self) -> Response {
        let body = Body { error: self.code.as_str(), error_description: &self.description };
        let mut response = (self.status(), Json(body)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if self.status() == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"msg2agent\""));
        }
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}
