//! Extracts the client's IP address, forms and parameters from requests.

use std::net::IpAddr;

use axum::Extension;
use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use daemon::https::ConnectionSlot;

use super::state::SharedState;
use crate::error::{ErrorCode, OauthError};
use crate::parameters::Parameters;

/// The IP address that a request is rate limited by.
pub(crate) struct ClientIp(pub(crate) IpAddr);

/// The parameters of an `application/x-www-form-urlencoded` body.
pub(crate) struct Form(pub(crate) Parameters);

impl FromRequestParts<SharedState> for ClientIp {
    type Rejection = OauthError;

    async fn from_request_parts(parts: &mut Parts, server: &SharedState) -> Result<Self, OauthError> {
        let Extension(connection) = Extension::<ConnectionSlot>::from_request_parts(parts, server)
            .await
            .map_err(|error| OauthError::internal("connection", &error))?;
        Ok(Self(server.trusted_proxies.client_ip(connection.peer().ip(), &parts.headers)))
    }
}

impl FromRequest<SharedState> for Form {
    type Rejection = OauthError;

    async fn from_request(request: Request, server: &SharedState) -> Result<Self, OauthError> {
        if !is_form(request.headers()) {
            let what = "send application/x-www-form-urlencoded";
            return Err(OauthError::new(ErrorCode::InvalidRequest, "content_type", what));
        }
        let bytes = read_body(request, server).await?;
        Ok(Self(parse_parameters(&bytes)?))
    }
}

pub(crate) async fn read_body(request: Request, server: &SharedState) -> Result<Bytes, OauthError> {
    Bytes::from_request(request, server).await.map_err(|error| {
        let too_large = error.status() == StatusCode::PAYLOAD_TOO_LARGE;
        let reason = if too_large { "too_large" } else { "body" };
        OauthError::new(ErrorCode::InvalidRequest, reason, error.body_text())
    })
}

pub(crate) fn parse_parameters(text: &[u8]) -> Result<Parameters, OauthError> {
    Parameters::parse(text)
        .map_err(|error| OauthError::new(ErrorCode::InvalidRequest, "parameters", error.to_string()))
}

/// A parameter that must be there.
pub(crate) fn required<'a>(form: &'a Parameters, name: &str) -> Result<&'a str, OauthError> {
    form.get(name).ok_or_else(|| {
        OauthError::new(ErrorCode::InvalidRequest, "parameter_missing", format!("{name} is missing"))
    })
}

fn is_form(headers: &HeaderMap) -> bool {
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let essence = content_type.unwrap_or_default().split(';').next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case("application/x-www-form-urlencoded")
}
