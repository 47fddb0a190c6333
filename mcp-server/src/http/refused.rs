//! The answers to requests that MCP never sees: a status, a reason from a closed set, what to do, and how to get in.

use axum::Json;
use axum::http::header::{RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use protocol::Reason;
use serde_json::json;

use super::token::TokenError;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    KeyMissing,
    KeyUnknown,
    Token(TokenError),
    /// The authorization server's keys are not known here, and it does not answer.
    IssuerUnreachable,
    InsufficientScope,
    /// No such session, or not any more.
    UnknownSession,
    /// The session was made by somebody else.
    ForeignSession,
    TooLarge,
    Overloaded,
}

impl Refused {
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::KeyMissing => Reason::KeyMissing.word(),
            Self::KeyUnknown => Reason::KeyUnknown.word(),
            Self::Token(error) => error.word(),
            Self::IssuerUnreachable => "issuer_unreachable",
            Self::InsufficientScope => "insufficient_scope",
            Self::UnknownSession => "unknown_session",
            Self::ForeignSession => "foreign_session",
            Self::TooLarge => Reason::TooLarge.word(),
            Self::Overloaded => Reason::Overloaded.word(),
        }
    }

    const fn status(self) -> StatusCode {
        match self {
            Self::KeyMissing | Self::KeyUnknown | Self::Token(_) => StatusCode::UNAUTHORIZED,
            Self::InsufficientScope => StatusCode::FORBIDDEN,
            // MCP 2025-11-25, session management: the client then starts anew without one.
            Self::UnknownSession | Self::ForeignSession => StatusCode::NOT_FOUND,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Overloaded | Self::IssuerUnreachable => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    const fn advice(self) -> &'static str {
        match self {
            Self::KeyMissing => Reason::KeyMissing.advice(),
            Self::KeyUnknown => "this is not the API key of this agent; read the current one from its Secret",
            Self::Token(error) => error.advice(),
            Self::IssuerUnreachable => "the authorization server does not answer; try again",
            Self::InsufficientScope => "sign in again and allow the scopes that the challenge names",
            Self::UnknownSession => "this session has ended; initialize a new one",
            Self::ForeignSession => "this session was made by somebody else; initialize one of your own",
            Self::TooLarge => "the request is longer than this server takes; send less, or send it in parts",
            Self::Overloaded => "too many requests are under way; try again in a second",
        }
    }

    /// The code of RFC 6750 section 3.1; none for a request that carried no credential.
    const fn code(self) -> Option<&'static str> {
        match self {
            Self::KeyUnknown | Self::Token(_) => Some("invalid_token"),
            Self::InsufficientScope => Some("insufficient_scope"),
            _ => None,
        }
    }

    const fn retry_seconds(self) -> Option<u64> {
        match self {
            Self::Overloaded => Some(1),
            Self::IssuerUnreachable => Some(5),
            _ => None,
        }
    }

    /// `metadata`: where the resource metadata is (RFC 9728 section 5.1), when there is an authorization server. `scope`: what to
    /// ask it for.
    #[must_use]
    pub fn to_response(self, metadata: Option<&str>, scope: &str) -> Response {
        let status = self.status();
        let problem = json!({"status": status.as_u16(), "reason": self.reason(), "detail": self.advice()});
        let mut response = (status, Json(problem)).into_response();
        let headers = response.headers_mut();
        if matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN)
            && let Ok(challenge) = HeaderValue::from_str(&self.challenge(metadata, scope))
        {
            headers.insert(WWW_AUTHENTICATE, challenge);
        }
        if let Some(seconds) = self.retry_seconds() {
            headers.insert(RETRY_AFTER, seconds.into());
        }
        response
    }

    fn challenge(self, metadata: Option<&str>, scope: &str) -> String {
        let mut challenge = r#"Bearer realm="msg2agent""#.to_owned();
        let mut add = |name: &str, value: &str| challenge.push_str(&format!(r#", {name}="{value}""#));
        if let Some(code) = self.code() {
            add("error", code);
            add("error_description", self.advice());
        }
        if let Some(metadata) = metadata {
            add("resource_metadata", metadata);
            add("scope", scope);
        }
        challenge
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const METADATA: &str = "https://mcp.example.com/.well-known/oauth-protected-resource/mcp";

    #[test]
    fn a_request_without_credential_is_told_where_to_sign_in_and_no_error() {
        assert_eq!(
            Refused::KeyMissing.challenge(Some(METADATA), "mcp:read"),
            format!(r#"Bearer realm="msg2agent", resource_metadata="{METADATA}", scope="mcp:read""#)
        );
        assert_eq!(Refused::KeyMissing.challenge(None, "mcp:read"), r#"Bearer realm="msg2agent""#);
    }

    #[test]
    fn missing_scopes_are_named() {
        let challenge = Refused::InsufficientScope.challenge(Some(METADATA), "mcp:read mcp:send");
        assert!(challenge.contains(r#"error="insufficient_scope""#), "{challenge}");
        assert!(challenge.contains(r#"scope="mcp:read mcp:send""#), "{challenge}");
    }
}
