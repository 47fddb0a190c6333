//! The endpoints, one per file, and what they share: who asks, what was sent, and counting the answer.

use std::net::IpAddr;

use axum::Extension;
use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use daemon::https::ConnectionSlot;

use super::Oauth;
use super::address;
use super::error::{ErrorCode, OauthError};
use super::metrics::Endpoint;
use super::parameters::Parameters;

pub(super) mod authorize;
pub(super) mod connector;
pub(super) mod consent;
pub(super) mod introspect;
pub(super) mod jwks;
pub(super) mod metadata;
mod pages;
mod pending;
mod refusal;
pub(super) mod register;
pub(super) mod revoke;
pub(super) mod sign_in_invitation;
pub(super) mod sign_in_provider;
pub(super) mod token;

/// The address a request is counted under.
pub(super) struct Caller(pub(super) IpAddr);

/// The parameters of an `application/x-www-form-urlencoded` body.
pub(super) struct Form(pub(super) Parameters);

impl FromRequestParts<Oauth> for Caller {
    type Rejection = OauthError;

    async fn from_request_parts(parts: &mut Parts, oauth: &Oauth) -> Result<Self, OauthError> {
        let Extension(connection) = Extension::<ConnectionSlot>::from_request_parts(parts, oauth)
            .await
            .map_err(|error| OauthError::internal("connection", &error))?;
        let values = parts.headers.get_all("x-forwarded-for").into_iter();
        let forwarded: Vec<_> = values.filter_map(|value| value.to_str().ok()).collect();
        Ok(Self(address::of_client(connection.peer().ip(), &forwarded, &oauth.trusted_proxies)))
    }
}

impl FromRequest<Oauth> for Form {
    type Rejection = OauthError;

    async fn from_request(request: Request, oauth: &Oauth) -> Result<Self, OauthError> {
        if !is_form(request.headers()) {
            let what = "send application/x-www-form-urlencoded";
            return Err(OauthError::new(ErrorCode::InvalidRequest, "content_type", what));
        }
        let bytes = body(request, oauth).await?;
        Ok(Self(parameters(&bytes)?))
    }
}

pub(super) async fn body(request: Request, oauth: &Oauth) -> Result<Bytes, OauthError> {
    Bytes::from_request(request, oauth).await.map_err(|error| {
        let too_large = error.status() == StatusCode::PAYLOAD_TOO_LARGE;
        let reason = if too_large { "too_large" } else { "body" };
        OauthError::new(ErrorCode::InvalidRequest, reason, error.body_text())
    })
}

pub(super) fn parameters(text: &[u8]) -> Result<Parameters, OauthError> {
    Parameters::parse(text)
        .map_err(|error| OauthError::new(ErrorCode::InvalidRequest, "parameters", error.to_string()))
}

fn is_form(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    kind.eq_ignore_ascii_case("application/x-www-form-urlencoded")
}

impl Oauth {
    /// Counts the answer to a client, and makes it one.
    pub(super) fn answered(&self, endpoint: Endpoint, answer: Result<Response, OauthError>) -> Response {
        self.count(endpoint, answer.as_ref().err());
        answer.unwrap_or_else(IntoResponse::into_response)
    }

    pub(super) fn count(&self, endpoint: Endpoint, refused: Option<&OauthError>) {
        self.metrics.answered(endpoint, refused.map_or("ok", |error| error.reason));
        if let Some(error) = refused {
            tracing::debug!(
                ?endpoint,
                reason = error.reason,
                "refused a request to the authorization server"
            );
        }
    }
}
