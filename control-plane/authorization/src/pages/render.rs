//! Renders the sign-in and consent pages of an authorization request, and checks the forms they
//! send back.

use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::Response;
use protocol::url::Issuer;

use super::form_token::FormKey;
use super::templates::{self, AgentOption, ConsentPage, FormAction, SignInPage};
use crate::authorize::agent_choices::AgentChoices;
use crate::authorize::pending::PendingAuthorization;
use crate::authorize::target::Target;
use crate::clients::metadata_document;
use crate::error::{ErrorCode, OauthError};
use crate::people::account::{AccessDenied, Account};
use crate::people::browser_session::{ensure_browser_cookie, session_cookie};
use crate::relay::McpEndpoint;

/// The purpose of a form, which its token is bound to. A form cannot be sent as another.
pub(crate) const SIGN_IN_FORM: &str = "sign-in";
pub(crate) const CONSENT_FORM: &str = "consent";

/// The pages of this server.
pub(crate) struct Pages {
    issuer: Issuer,
    /// The relay's domain, as people read it.
    domain: String,
    /// The name of the OpenID provider, if there is one.
    provider_name: Option<String>,
    form_key: FormKey,
}

impl Pages {
    pub(crate) const fn new(
        issuer: Issuer,
        domain: String,
        provider_name: Option<String>,
        form_key: FormKey,
    ) -> Self {
        Self { issuer, domain, provider_name, form_key }
    }

    /// The sign-in page. `notice` says why the person has to sign in again.
    pub(crate) fn sign_in(
        &self,
        pending: &PendingAuthorization,
        headers: &HeaderMap,
        notice: Option<&str>,
    ) -> Result<Response, OauthError> {
        let (browser, new_cookie) = ensure_browser_cookie(headers);
        let query = pending.request.to_query();
        let agent_name = match &pending.target {
            Target::Agent(endpoint) => Some(endpoint.agent_name.as_deref().unwrap_or(endpoint.agent.name())),
            Target::Gateway => None,
        };
        let page = SignInPage {
            client_name: &pending.client.name,
            agent_name,
            domain: &self.domain,
            notice,
            provider: self.provider_name.as_deref(),
            request: &query,
            form_token: &self.form_key.token(SIGN_IN_FORM, &browser, &query),
        };
        let mut response = templates::render(&page, FormAction::ThisServer)?;
        response.headers_mut().extend(new_cookie.map(|cookie| (header::SET_COOKIE, cookie)));
        Ok(response)
    }

    /// The consent page. A single agent is shown as text; of several agents none is preselected.
    pub(crate) fn consent(
        &self,
        pending: &PendingAuthorization,
        account: &Account,
        choices: &AgentChoices,
        headers: &HeaderMap,
    ) -> Result<Response, OauthError> {
        let PendingAuthorization { request, client, target } = pending;
        let query = request.to_query();
        let sentences: Vec<_> = request.scopes.iter().map(|scope| scope.sentence()).collect();
        let document = metadata_document::parse_url(&client.id).ok();
        let options: Vec<_> = choices.agents.iter().map(agent_option).collect();
        let (agent, several) = match options.as_slice() {
            [agent] => (Some(agent), [].as_slice()),
            several => (None, several),
        };
        let session = session_cookie(headers).unwrap_or_default();
        let page = ConsentPage {
            client_name: &client.name,
            redirect_host: &request.reply_to.redirect.display_host(),
            document_host: document.as_ref().and_then(|url| url.host_str()),
            loopback: request.reply_to.redirect.is_loopback(),
            agent,
            choices: several,
            more: choices.more,
            through_gateway: matches!(target, Target::Gateway),
            resource: &request.resource,
            account_name: account.display_name(),
            scopes: &sentences,
            request: &query,
            form_token: &self.form_key.token(CONSENT_FORM, session, &query),
        };
        templates::render(&page, FormAction::Client)
    }

    /// Whether this server sent the form to this browser, for this request. The form's origin is
    /// checked as well, if the browser sends it.
    pub(crate) fn check_form(
        &self,
        headers: &HeaderMap,
        purpose: &str,
        cookie: Option<&str>,
        form_token: Option<&str>,
        query: &str,
    ) -> Result<(), OauthError> {
        let stale = |reason| {
            let what = "This page is out of date, or was sent from another browser. Start again.";
            OauthError::new(ErrorCode::InvalidRequest, reason, what)
        };
        let origin = headers.get(header::ORIGIN).map(HeaderValue::as_bytes);
        if origin.is_some_and(|origin| origin != self.issuer.as_str().as_bytes()) {
            return Err(stale("form_origin"));
        }
        let cookie = cookie.ok_or_else(|| stale("form_cookie"))?;
        let valid = form_token.is_some_and(|token| self.form_key.verify(token, purpose, cookie, query));
        if valid { Ok(()) } else { Err(stale("form_token")) }
    }
}

fn agent_option(endpoint: &McpEndpoint) -> AgentOption<'_> {
    AgentOption { did: endpoint.agent.as_str(), name: endpoint.agent_name.as_deref() }
}

/// The notice for a person who signed in but may not use what the client asks for.
pub(crate) const fn access_denied_notice(target: &Target, denied: AccessDenied) -> &'static str {
    match (target, denied) {
        (Target::Agent(_), AccessDenied::Suspended) => {
            "This agent is suspended. Ask the administrator of its team."
        }
        (Target::Agent(_), AccessDenied::NotInvited | AccessDenied::NoEndpoint) => {
            "You are signed in, but may not use this agent. Sign in as somebody else, or ask the administrator of its team."
        }
        (Target::Gateway, AccessDenied::Suspended) => {
            "The agent you may use is suspended. Ask the administrator of its team."
        }
        (Target::Gateway, AccessDenied::NoEndpoint) => {
            "The agent you may use is not available at this address. Ask the administrator of its team."
        }
        (Target::Gateway, AccessDenied::NotInvited) => {
            "You are signed in, but may not use this agent, or any other here. Sign in as somebody else, or ask the \
             administrator of your team."
        }
    }
}
