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
    /// The body did not arrive.
    BodyTimeout,
    Overloaded,
    /// The host or the page is not one that may call.
    ForeignHost,
    ForeignOrigin,
    /// The agent or its tenant is suspended.
    Suspended,
    /// The key opens no single agent.
    KeyOfATenant,
    /// What a person had allowed was taken back.
    GrantRevoked,
    /// The agent has no endpoint that the gateway could bring the request to.
    NoEndpoint,
    /// Nothing was done.
    EndpointUnreachable,
    /// Nobody knows whether it was done.
    EndpointInterrupted,
    EndpointTimeout,
}

impl Refused {
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::KeyMissing => Reason::KeyMissing.as_str(),
            Self::KeyUnknown => Reason::KeyUnknown.as_str(),
            Self::Token(error) => error.word(),
            Self::IssuerUnreachable => "issuer_unreachable",
            Self::InsufficientScope => "insufficient_scope",
            Self::UnknownSession => "unknown_session",
            Self::ForeignSession => "foreign_session",
            Self::TooLarge => Reason::TooLarge.as_str(),
            Self::BodyTimeout => "body_timeout",
            Self::Overloaded => Reason::Overloaded.as_str(),
            Self::ForeignHost => "foreign_host",
            Self::ForeignOrigin => "foreign_origin",
            Self::Suspended => Reason::Suspended.as_str(),
            Self::KeyOfATenant => "key_of_a_tenant",
            Self::GrantRevoked => "grant_revoked",
            Self::NoEndpoint => "no_endpoint",
            Self::EndpointUnreachable => "endpoint_unreachable",
            Self::EndpointInterrupted => "endpoint_interrupted",
            Self::EndpointTimeout => "endpoint_timeout",
        }
    }

    const fn status(self) -> StatusCode {
        match self {
            Self::KeyMissing | Self::KeyUnknown | Self::Token(_) | Self::GrantRevoked => {
                StatusCode::UNAUTHORIZED
            }
            Self::InsufficientScope
            | Self::ForeignHost
            | Self::ForeignOrigin
            | Self::Suspended
            | Self::KeyOfATenant
            | Self::NoEndpoint => StatusCode::FORBIDDEN,
            // MCP 2025-11-25, session management: the client then starts anew without one.
            Self::UnknownSession | Self::ForeignSession => StatusCode::NOT_FOUND,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::BodyTimeout => StatusCode::REQUEST_TIMEOUT,
            Self::Overloaded | Self::IssuerUnreachable | Self::EndpointUnreachable => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            Self::EndpointInterrupted => StatusCode::BAD_GATEWAY,
            Self::EndpointTimeout => StatusCode::GATEWAY_TIMEOUT,
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
            Self::BodyTimeout => "the body of the request did not arrive in time; send it again",
            Self::Overloaded => "too many requests are under way; try again in a second",
            Self::ForeignHost => {
                "the Host header names a host that is not configured here; use the URL in the Agent's status"
            }
            Self::ForeignOrigin => "web pages of this origin may not call here",
            Self::Suspended => "the agent or its tenant is suspended; ask the administrator of its team",
            Self::KeyOfATenant => "this key is of a whole tenant; use the API key of one agent",
            Self::GrantRevoked => "what was allowed has been taken back; sign in again",
            Self::NoEndpoint => "the agent has no MCP endpoint; set spec.mcp.enabled of the Agent",
            Self::EndpointUnreachable => {
                "the agent's endpoint cannot be reached, nothing was done; try again"
            }
            Self::EndpointInterrupted => {
                "the agent's endpoint went away before it answered; look whether it was done, then try again"
            }
            Self::EndpointTimeout => {
                "the agent's endpoint took too long; look whether it was done, then try again"
            }
        }
    }

    /// The code of RFC 6750 section 3.1; none for a request that carried no credential.
    const fn code(self) -> Option<&'static str> {
        match self {
            Self::KeyUnknown | Self::Token(_) | Self::GrantRevoked => Some("invalid_token"),
            Self::InsufficientScope => Some("insufficient_scope"),
            _ => None,
        }
    }

    const fn retry_seconds(self) -> Option<u64> {
        match self {
            Self::Overloaded => Some(1),
            Self::EndpointUnreachable | Self::EndpointInterrupted | Self::EndpointTimeout => Some(2),
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
        // A new sign-in cures these, and no other.
        if (status == StatusCode::UNAUTHORIZED || self == Self::InsufficientScope)
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
