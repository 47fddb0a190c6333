//! The reasons why the gateway rejects a request instead of forwarding it, each with its response.

use axum::http::StatusCode;

use crate::http::problem::Problem;
use crate::http::rejection::HttpRejection;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GatewayRejection {
    Http(HttpRejection),
    /// The Host header is not on the allow-list.
    ForeignHost,
    /// The Origin header is not on the allow-list.
    ForeignOrigin,
    /// No connection to the endpoint was made, so the call had no effect.
    EndpointUnreachable,
    /// The connection broke: the call may have taken effect.
    EndpointInterrupted,
    /// The endpoint did not answer in time: the call may have taken effect.
    EndpointTimeout,
}

impl GatewayRejection {
    #[must_use]
    pub const fn problem(self) -> Problem {
        match self {
            Self::Http(rejection) => rejection.problem(),
            Self::ForeignHost => Problem::new(
                StatusCode::FORBIDDEN,
                "foreign_host",
                "the Host header contains a host that is not configured here; use the URL in the Agent's status",
            ),
            Self::ForeignOrigin => Problem::new(
                StatusCode::FORBIDDEN,
                "foreign_origin",
                "web pages of this origin are not allowed to call this server",
            ),
            Self::EndpointUnreachable => Problem::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "endpoint_unreachable",
                "the agent's endpoint cannot be reached, and the call had no effect; try again",
            )
            .with_retry_after(2),
            Self::EndpointInterrupted => Problem::new(
                StatusCode::BAD_GATEWAY,
                "endpoint_interrupted",
                "the agent's endpoint closed the connection before it answered; check whether the call took \
                 effect before you retry",
            )
            .with_retry_after(2),
            Self::EndpointTimeout => Problem::new(
                StatusCode::GATEWAY_TIMEOUT,
                "endpoint_timeout",
                "the agent's endpoint did not answer in time; check whether the call took effect before you retry",
            )
            .with_retry_after(2),
        }
    }
}

impl From<HttpRejection> for GatewayRejection {
    fn from(rejection: HttpRejection) -> Self {
        Self::Http(rejection)
    }
}
