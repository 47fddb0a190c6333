//! The reasons why a request is rejected before MCP sees it, each with its response.

use axum::http::StatusCode;
use protocol::Reason;
use protocol::introspection::Inactive;

use super::inactive::inactive_problem;
use super::problem::Problem;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HttpRejection {
    KeyMissing,
    /// The API key or access token is not active.
    Credential(Inactive),
    /// The authorization server does not answer, and what it would say is not cached.
    IssuerUnreachable,
    InsufficientScope,
    /// The session does not exist, or has ended.
    UnknownSession,
    /// Another principal created the session.
    ForeignSession,
    TooLarge,
    /// The body did not arrive in time.
    BodyTimeout,
    Overloaded,
}

impl HttpRejection {
    #[must_use]
    pub const fn problem(self) -> Problem {
        match self {
            Self::KeyMissing => Problem::new(
                StatusCode::UNAUTHORIZED,
                Reason::KeyMissing.as_str(),
                Reason::KeyMissing.advice(),
            ),
            Self::Credential(reason) => inactive_problem(reason),
            Self::IssuerUnreachable => Problem::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "issuer_unreachable",
                "the authorization server does not answer; try again",
            )
            .with_retry_after(5),
            Self::InsufficientScope => Problem::new(
                StatusCode::FORBIDDEN,
                "insufficient_scope",
                "sign in again and allow the scopes that the challenge lists",
            )
            .with_error_code("insufficient_scope"),
            // 404 makes the client start a new session (MCP 2025-11-25, session management).
            Self::UnknownSession => Problem::new(
                StatusCode::NOT_FOUND,
                "unknown_session",
                "this session has ended; initialize a new one",
            ),
            Self::ForeignSession => Problem::new(
                StatusCode::NOT_FOUND,
                "foreign_session",
                "another user or client created this session; initialize one of your own",
            ),
            Self::TooLarge => Problem::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                Reason::TooLarge.as_str(),
                "the request is longer than this server accepts; send less, or send it in parts",
            ),
            Self::BodyTimeout => Problem::new(
                StatusCode::REQUEST_TIMEOUT,
                "body_timeout",
                "the body of the request did not arrive in time; send it again",
            ),
            Self::Overloaded => Problem::new(
                StatusCode::SERVICE_UNAVAILABLE,
                Reason::Overloaded.as_str(),
                "too many requests are in progress; try again in a second",
            )
            .with_retry_after(1),
        }
    }
}
