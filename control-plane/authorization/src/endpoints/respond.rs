//! A refusal on its way to a browser: who is told of it, and how.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};

use crate::oauth::client::built_in;
use crate::oauth::error::{ErrorCode, OauthError};
use crate::oauth::metrics::Endpoint;
use crate::oauth::request::ReplyTo;
use crate::oauth::{Oauth, page};

/// Who is told about a refusal.
pub(super) enum BrowserError {
    /// The person, because the client or its redirect URI cannot be trusted.
    Person(OauthError),
    /// The client, by redirect where nobody could misuse it, else by a link that the person may follow.
    Client(Box<ReplyTo>, OauthError),
    /// The client, by a link, because the page that was sent may lead nowhere but here.
    Linked(Box<ReplyTo>, OauthError),
    /// The client, by redirect, because the person said so.
    Denied(Box<ReplyTo>, OauthError),
}

impl BrowserError {
    /// As the answer to a form whose page is [`page::FormsLead::Here`].
    pub(super) fn without_redirect(self) -> Self {
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

impl Oauth {
    /// Counts the answer to a browser, and makes it one.
    pub(super) fn browsed(&self, endpoint: Endpoint, answer: Result<Response, BrowserError>) -> Response {
        match answer {
            Ok(response) => {
                self.count(endpoint, None);
                response
            }
            Err(BrowserError::Person(error)) => {
                self.count(endpoint, Some(&error));
                page::refused(&error)
            }
            Err(BrowserError::Client(reply_to, error)) => {
                self.count(endpoint, Some(&error));
                if is_harmless(&reply_to) {
                    return see_other(&reply_to.failure(&self.issuer, &error));
                }
                self.link_back(&reply_to, &error)
            }
            Err(BrowserError::Linked(reply_to, error)) => {
                self.count(endpoint, Some(&error));
                self.link_back(&reply_to, &error)
            }
            Err(BrowserError::Denied(reply_to, error)) => {
                self.count(endpoint, Some(&error));
                see_other(&reply_to.failure(&self.issuer, &error))
            }
        }
    }

    fn link_back(&self, reply_to: &ReplyTo, error: &OauthError) -> Response {
        page::refused_with_link(error, &reply_to.redirect.place(), &reply_to.failure(&self.issuer, error))
    }
}

/// Anybody may register a client with any address, so without a person's word we send browsers only to themselves, or to
/// clients that were reviewed: we are no open redirector (RFC 9700 section 4.11.2).
fn is_harmless(reply_to: &ReplyTo) -> bool {
    reply_to.redirect.is_loopback() || built_in::find(&reply_to.client_id).is_some()
}

/// A redirect that makes a GET of a POST, and is kept nowhere: it may carry a code.
pub(super) fn see_other(url: &str) -> Response {
    let Ok(location) = HeaderValue::from_str(url) else {
        return page::refused(&OauthError::new(
            ErrorCode::ServerError,
            "location",
            "the address cannot be written",
        ));
    };
    let headers =
        [(header::LOCATION, location), (header::CACHE_CONTROL, HeaderValue::from_static("no-store"))];
    (StatusCode::SEE_OTHER, headers).into_response()
}
