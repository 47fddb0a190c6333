//! The pages a person sees. Plain HTML from `relay/templates/oauth`, escaped by askama; no scripts.

use askama::Template;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};

use super::error::OauthError;

/// What every page's policy says.
macro_rules! policy {
    () => {
        "default-src 'none'; style-src 'self'; base-uri 'none'; frame-ancestors 'none'"
    };
}

const STYLE: &str = include_str!("../../templates/oauth/style.css");

#[derive(Template)]
#[template(path = "oauth/sign_in.html")]
pub(super) struct SignIn<'a> {
    pub(super) client_name: &'a str,
    /// `None`: the person will choose among agents of the domain.
    pub(super) agent_name: Option<&'a str>,
    pub(super) domain: &'a str,
    pub(super) notice: Option<&'a str>,
    /// Name of the provider of identities.
    pub(super) provider: Option<&'a str>,
    /// The authorization request, as a query.
    pub(super) request: &'a str,
    pub(super) form: &'a str,
}

#[derive(Template)]
#[template(path = "oauth/consent.html")]
pub(super) struct Consent<'a> {
    pub(super) client_name: &'a str,
    pub(super) redirect_place: &'a str,
    /// Host of the client's metadata document, if that is how it is known.
    pub(super) document_host: Option<&'a str>,
    pub(super) loopback: bool,
    /// The only one that it can be about.
    pub(super) agent: Option<&'a ShownAgent<'a>>,
    /// Several, where there is no only one.
    pub(super) choices: &'a [ShownAgent<'a>],
    /// There are others that are not among the choices.
    pub(super) more: bool,
    /// The form says which agent was shown or chosen.
    pub(super) through_gateway: bool,
    pub(super) resource: &'a str,
    pub(super) account_name: &'a str,
    pub(super) scopes: &'a [&'static str],
    pub(super) request: &'a str,
    pub(super) form: &'a str,
}

/// An agent as people see it.
pub(super) struct ShownAgent<'a> {
    pub(super) did: &'a str,
    pub(super) name: Option<&'a str>,
}

#[derive(Template)]
#[template(path = "oauth/refused.html")]
struct Refused<'a> {
    description: &'a str,
    reason: &'a str,
    /// Name and address of where the client waits for an answer.
    back: Option<(&'a str, &'a str)>,
}

/// Where the forms of a page may lead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FormsLead {
    /// To ourselves.
    Here,
    /// To a client. Chromium holds `form-action` against every hop of a redirect, and clients on the web send their people on
    /// to places that we cannot know, so the page is without.
    Away,
}

pub(super) fn show(template: &impl Template, forms: FormsLead) -> Result<Response, OauthError> {
    let html = template.render().map_err(|error| OauthError::internal("page", &error))?;
    let mut response = Html(html).into_response();
    protect(response.headers_mut(), forms);
    Ok(response)
}

/// What a person is told when the client cannot be.
pub(super) fn refused(error: &OauthError) -> Response {
    refusal(error, None)
}

/// The same, with a link by which the person lets the client know.
pub(super) fn refused_with_link(error: &OauthError, place: &str, url: &str) -> Response {
    refusal(error, Some((place, url)))
}

fn refusal(error: &OauthError, back: Option<(&str, &str)>) -> Response {
    let page = Refused { description: &error.description, reason: error.reason, back };
    let mut response = show(&page, FormsLead::Here).unwrap_or_else(IntoResponse::into_response);
    let status = error.status();
    // 401 would ask the browser for credentials.
    *response.status_mut() =
        if status == StatusCode::UNAUTHORIZED { StatusCode::BAD_REQUEST } else { status };
    if let Some(seconds) = error.retry_after {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

/// `GET /oauth/style.css`
pub(super) async fn style() -> Response {
    let headers =
        [(header::CONTENT_TYPE, "text/css; charset=utf-8"), (header::CACHE_CONTROL, "public, max-age=3600")];
    (headers, STYLE).into_response()
}

/// Nobody frames the page, nothing runs in it, and it is kept nowhere. The referrer stays on our own site, so that forms
/// still tell us their origin.
fn protect(headers: &mut HeaderMap, forms: FormsLead) {
    let policy = match forms {
        FormsLead::Here => concat!(policy!(), "; form-action 'self'"),
        FormsLead::Away => policy!(),
    };
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy));
    for (name, value) in [
        (header::CACHE_CONTROL, "no-store"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "same-origin"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
}
