//! The HTML templates, escaped by askama, and the headers of every page. No page has scripts.

use askama::Template;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};

use crate::error::OauthError;

/// The content security policy of every page.
macro_rules! policy {
    () => {
        "default-src 'none'; style-src 'self'; base-uri 'none'; frame-ancestors 'none'"
    };
}

const STYLE: &str = include_str!("../../templates/style.css");

/// The sign-in page.
#[derive(Template)]
#[template(path = "sign_in.html")]
pub(crate) struct SignInPage<'a> {
    pub(crate) client_name: &'a str,
    /// `None`: the person will choose an agent of the domain.
    pub(crate) agent_name: Option<&'a str>,
    pub(crate) domain: &'a str,
    /// Why the person has to sign in again.
    pub(crate) notice: Option<&'a str>,
    /// The name of the OpenID provider.
    pub(crate) provider: Option<&'a str>,
    /// The authorization request, as a query.
    pub(crate) request: &'a str,
    pub(crate) form_token: &'a str,
}

/// The consent page.
#[derive(Template)]
#[template(path = "consent.html")]
pub(crate) struct ConsentPage<'a> {
    pub(crate) client_name: &'a str,
    /// Where the response goes.
    pub(crate) redirect_host: &'a str,
    /// The host of the client's metadata document, if it has one.
    pub(crate) document_host: Option<&'a str>,
    /// Whether the response goes to a program on the person's computer.
    pub(crate) loopback: bool,
    /// The only agent that the person can allow.
    pub(crate) agent: Option<&'a AgentOption<'a>>,
    /// The agents to choose from, if there are several.
    pub(crate) choices: &'a [AgentOption<'a>],
    /// Whether there are further agents that are not listed.
    pub(crate) more: bool,
    /// Whether the form carries the agent that was shown or chosen.
    pub(crate) through_gateway: bool,
    pub(crate) resource: &'a str,
    pub(crate) account_name: &'a str,
    pub(crate) scopes: &'a [&'static str],
    pub(crate) request: &'a str,
    pub(crate) form_token: &'a str,
}

/// An agent on the consent page.
pub(crate) struct AgentOption<'a> {
    pub(crate) did: &'a str,
    pub(crate) name: Option<&'a str>,
}

/// The page about a refused request.
#[derive(Template)]
#[template(path = "error.html")]
struct ErrorPage<'a> {
    description: &'a str,
    reason: &'a str,
    /// Host and URL of the link that takes the error to the client.
    back: Option<(&'a str, &'a str)>,
}

/// Where the response to a form may redirect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FormAction {
    /// To this server only.
    ThisServer,
    /// To a client. Chromium checks `form-action` at every hop of a redirect, and web clients
    /// redirect further to URLs that are unknown here, so the page has no `form-action`.
    Client,
}

/// The response with a page.
pub(crate) fn render(template: &impl Template, forms: FormAction) -> Result<Response, OauthError> {
    let html = template.render().map_err(|error| OauthError::internal("page", &error))?;
    let mut response = Html(html).into_response();
    protect(response.headers_mut(), forms);
    Ok(response)
}

/// The error page, for errors that cannot be sent to the client.
pub(crate) fn error_page(error: &OauthError) -> Response {
    error_response(error, None)
}

/// The error page with a link that takes the error to the client.
pub(crate) fn error_page_with_link(error: &OauthError, host: &str, url: &str) -> Response {
    error_response(error, Some((host, url)))
}

fn error_response(error: &OauthError, back: Option<(&str, &str)>) -> Response {
    let page = ErrorPage { description: &error.description, reason: error.reason, back };
    let mut response = render(&page, FormAction::ThisServer).unwrap_or_else(IntoResponse::into_response);
    let status = error.status();
    // A 401 would make the browser ask for credentials.
    *response.status_mut() =
        if status == StatusCode::UNAUTHORIZED { StatusCode::BAD_REQUEST } else { status };
    if let Some(seconds) = error.retry_after {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

/// `GET /oauth/style.css`
pub(crate) async fn style() -> Response {
    let headers =
        [(header::CONTENT_TYPE, "text/css; charset=utf-8"), (header::CACHE_CONTROL, "public, max-age=3600")];
    (headers, STYLE).into_response()
}

/// The page cannot be framed, runs no scripts and is not cached. The referrer is sent to this
/// server only, so that forms still have their origin.
fn protect(headers: &mut HeaderMap, forms: FormAction) {
    let policy = match forms {
        FormAction::ThisServer => concat!(policy!(), "; form-action 'self'"),
        FormAction::Client => policy!(),
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
