//! HTTP error responses: problem details (RFC 9457) with the reason of the protocol.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use protocol::Reason;
use protocol::admin::Problem;
use protocol::quota::Quota;

const CONTENT_TYPE: HeaderValue = HeaderValue::from_static("application/problem+json");
/// For causes that are temporary (RFC 9110, section 10.2.3).
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("1");
const AUTHENTICATE: HeaderValue = HeaderValue::from_static("Bearer realm=\"msg2agent\"");

/// An error response. The detail is a sentence for a person and contains no secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ProblemResponse {
    pub(crate) reason: Reason,
    pub(crate) detail: Option<String>,
    /// The limit that the request met.
    pub(crate) quota: Option<Quota>,
}

impl From<Reason> for ProblemResponse {
    fn from(reason: Reason) -> Self {
        Self { reason, detail: None, quota: None }
    }
}

impl ProblemResponse {
    pub(crate) fn new(reason: Reason, detail: impl Into<String>) -> Self {
        Self { reason, detail: Some(detail.into()), quota: None }
    }

    pub(crate) fn over(reason: Reason, quota: Quota) -> Self {
        let detail = format!("{} of {} {} are in use", quota.current, quota.limit, quota.name.as_str());
        Self { reason, detail: Some(detail), quota: Some(quota) }
    }
}

impl IntoResponse for ProblemResponse {
    fn into_response(self) -> Response {
        let problem = Problem::new(self.reason, self.detail).with_quota(self.quota);
        let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, axum::Json(problem)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, CONTENT_TYPE);
        match status {
            StatusCode::UNAUTHORIZED => headers.insert(header::WWW_AUTHENTICATE, AUTHENTICATE),
            StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
                headers.insert(header::RETRY_AFTER, RETRY_AFTER)
            }
            _ => None,
        };
        response
    }
}
