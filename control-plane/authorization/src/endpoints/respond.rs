//! Turns results into responses and counts them: for clients, and for browsers, where an error may
//! go to the person or by redirect to the client.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};

use super::state::ServerState;
use crate::authorize::request::ReplyTo;
use crate::clients::built_in;
use crate::error::{ErrorCode, OauthError};
use crate::metrics::Endpoint;
use crate::pages::templates;

/// An error of a request from a browser, with the party that it is sent to.
pub(crate) enum BrowserError {
    /// Shown to the person, because the client or its redirect URI cannot be trusted.
    Person(OauthError),
    /// Sent to the client: by redirect if that cannot be misused, otherwise by a link that the
    /// person may follow.
    Client(Box<ReplyTo>, OauthError),
    /// Sent to the client by a link, because the form may redirect to this server only.
    Linked(Box<ReplyTo>, OauthError),
    /// Sent to the client by redirect, because the person denied the request.
    Denied(Box<ReplyTo>, OauthError),
}

impl BrowserError {
    /// The error of a form whose page is [`templates::FormAction::ThisServer`].
    pub(crate) fn without_redirect(self) -> Self {
        match self {
            Self::Client(reply_to, error) => Self::Linked(reply_to, error),
            other => other,
        }
    }
}

impl From<OauthError> for BrowserError {
    fn from(error: OauthError) -> Self {
        Self::Person(error)
    }
}

/// Counts and returns the response to a client.
pub(crate) fn respond_to_client(
    server: &ServerState,
    endpoint: Endpoint,
    result: Result<Response, OauthError>,
) -> Response {
    server.metrics.count(endpoint, result.as_ref().err());
    result.unwrap_or_else(|error| error.into_response())
}

/// Counts and returns the response to a browser.
pub(crate) fn respond_to_browser(
    server: &ServerState,
    endpoint: Endpoint,
    result: Result<Response, BrowserError>,
) -> Response {
    let error = match result {
        Ok(response) => {
            server.metrics.count(endpoint, None);
            return response;
        }
        Err(error) => error,
    };
    let (BrowserError::Person(cause)
    | BrowserError::Client(_, cause)
    | BrowserError::Linked(_, cause)
    | BrowserError::Denied(_, cause)) = &error;
    server.metrics.count(endpoint, Some(cause));
    match error {
        BrowserError::Person(error) => templates::error_page(&error),
        BrowserError::Client(reply_to, error) if is_safe_redirect(&reply_to) => {
            see_other(&reply_to.failure(&server.issuer, &error))
        }
        BrowserError::Client(reply_to, error) | BrowserError::Linked(reply_to, error) => {
            let url = reply_to.failure(&server.issuer, &error);
            templates::error_page_with_link(&error, &reply_to.redirect.display_host(), &url)
        }
        BrowserError::Denied(reply_to, error) => see_other(&reply_to.failure(&server.issuer, &error)),
    }
}

/// Whether a browser may be redirected without a decision of the person. Anybody may register a
/// client with any URL, so only redirects to the person's own computer or to built-in clients are
/// safe: this server must not be an open redirector (RFC 9700 section 4.11.2).
fn is_safe_redirect(reply_to: &ReplyTo) -> bool {
    reply_to.redirect.is_loopback() || built_in::find(&reply_to.client_id).is_some()
}

/// A redirect that turns a POST into a GET. It is not cached, because it may carry a code.
pub(crate) fn see_other(url: &str) -> Response {
    let Ok(location) = HeaderValue::from_str(url) else {
        let what = "The address to continue at is invalid.";
        return templates::error_page(&OauthError::new(ErrorCode::ServerError, "location", what));
    };
    let headers =
        [(header::LOCATION, location), (header::CACHE_CONTROL, HeaderValue::from_static("no-store"))];
    (StatusCode::SEE_OTHER, headers).into_response()
}
