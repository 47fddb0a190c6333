//! The response to a rejected request: a status, a reason from a closed set, advice, and the
//! challenge that tells a client how to sign in (RFC 6750).

use axum::Json;
use axum::http::header::{RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::json;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Problem {
    status: StatusCode,
    reason: &'static str,
    advice: &'static str,
    /// RFC 6750 section 3.1; absent for a request without a credential.
    error_code: Option<&'static str>,
    retry_after_seconds: Option<u64>,
}

impl Problem {
    #[must_use]
    pub const fn new(status: StatusCode, reason: &'static str, advice: &'static str) -> Self {
        Self { status, reason, advice, error_code: None, retry_after_seconds: None }
    }

    /// A credential that is not accepted: 401 `invalid_token`.
    #[must_use]
    pub const fn invalid_token(reason: &'static str, advice: &'static str) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, reason, advice).with_error_code("invalid_token")
    }

    #[must_use]
    pub const fn with_error_code(self, code: &'static str) -> Self {
        Self { error_code: Some(code), ..self }
    }

    #[must_use]
    pub const fn with_retry_after(self, seconds: u64) -> Self {
        Self { retry_after_seconds: Some(seconds), ..self }
    }

    #[must_use]
    pub const fn reason(&self) -> &'static str {
        self.reason
    }

    /// `metadata_url`: where the resource metadata is (RFC 9728 section 5.1), when there is an
    /// authorization server. `scope`: the scopes that a client should request there.
    #[must_use]
    pub fn to_response(&self, metadata_url: Option<&str>, scope: &str) -> Response {
        let body = json!({"status": self.status.as_u16(), "reason": self.reason, "detail": self.advice});
        let mut response = (self.status, Json(body)).into_response();
        let headers = response.headers_mut();
        // Only these can be solved by signing in again.
        let can_sign_in = self.status == StatusCode::UNAUTHORIZED || self.error_code.is_some();
        if can_sign_in && let Ok(challenge) = HeaderValue::from_str(&self.challenge(metadata_url, scope)) {
            headers.insert(WWW_AUTHENTICATE, challenge);
        }
        if let Some(seconds) = self.retry_after_seconds {
            headers.insert(RETRY_AFTER, seconds.into());
        }
        response
    }

    fn challenge(&self, metadata_url: Option<&str>, scope: &str) -> String {
        let mut challenge = r#"Bearer realm="msg2agent""#.to_owned();
        let mut add = |name: &str, value: &str| challenge.push_str(&format!(r#", {name}="{value}""#));
        if let Some(code) = self.error_code {
            add("error", code);
            add("error_description", self.advice);
        }
        if let Some(url) = metadata_url {
            add("resource_metadata", url);
            add("scope", scope);
        }
        challenge
    }
}

#[cfg(test)]
mod tests {
    use crate::http::rejection::HttpRejection;

    const METADATA: &str = "https://mcp.example.com/.well-known/oauth-protected-resource/mcp";

    #[test]
    fn a_request_without_credential_is_told_where_to_sign_in_and_no_error() {
        let problem = HttpRejection::KeyMissing.problem();
        assert_eq!(
            problem.challenge(Some(METADATA), "mcp:read"),
            format!(r#"Bearer realm="msg2agent", resource_metadata="{METADATA}", scope="mcp:read""#)
        );
        assert_eq!(problem.challenge(None, "mcp:read"), r#"Bearer realm="msg2agent""#);
    }

    #[test]
    fn missing_scopes_are_named() {
        let problem = HttpRejection::InsufficientScope.problem();
        let challenge = problem.challenge(Some(METADATA), "mcp:read mcp:send");
        assert!(challenge.contains(r#"error="insufficient_scope""#), "{challenge}");
        assert!(challenge.contains(r#"scope="mcp:read mcp:send""#), "{challenge}");
    }
}
