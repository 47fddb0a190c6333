//! The pages that an authorization request is put before a person with.

use axum::http::{HeaderMap, header};
use axum::response::Response;

use super::pending::{CONSENT_FORM, Pending, SIGN_IN_FORM};
use crate::oauth::account::Barred;
use crate::oauth::browser::{ensure_browser_cookie, session_cookie};
use crate::oauth::client::document;
use crate::oauth::error::OauthError;
use crate::oauth::offer::Offer;
use crate::oauth::page::{self, FormsLead, ShownAgent};
use crate::oauth::target::Target;
use crate::oauth::{Account, Oauth, Resource};

impl Oauth {
    pub(super) fn sign_in_page(
        &self,
        pending: &Pending,
        headers: &HeaderMap,
        notice: Option<&str>,
    ) -> Result<Response, OauthError> {
        let (browser, new_cookie) = ensure_browser_cookie(headers);
        let query = pending.request.to_query();
        let agent_name = match &pending.target {
            Target::Agent(agent) => Some(agent.agent_name.as_deref().unwrap_or(agent.agent.name())),
            Target::Gateway => None,
        };
        let page = page::SignIn {
            client_name: &pending.client.name,
            agent_name,
            domain: &self.directory.domain().authority(),
            notice,
            provider: self.provider_name(),
            request: &query,
            form: &self.form_key.token(SIGN_IN_FORM, &browser, &query),
        };
        let mut response = page::show(&page, FormsLead::Here)?;
        response.headers_mut().extend(new_cookie.map(|cookie| (header::SET_COOKIE, cookie)));
        Ok(response)
    }

    /// One agent is shown as text. Several are put to the person, none of them chosen beforehand.
    pub(super) fn consent_page(
        &self,
        pending: &Pending,
        account: &Account,
        offer: &Offer,
        headers: &HeaderMap,
    ) -> Result<Response, OauthError> {
        let Pending { request, client, target } = pending;
        let query = request.to_query();
        let sentences: Vec<_> = request.scopes.iter().map(|scope| scope.sentence()).collect();
        let document = document::parse_url(&client.id).ok();
        let agents: Vec<_> = offer.agents.iter().map(shown).collect();
        let (agent, choices) = match agents.as_slice() {
            [agent] => (Some(agent), [].as_slice()),
            several => (None, several),
        };
        let page = page::Consent {
            client_name: &client.name,
            redirect_place: &request.reply_to.redirect.place(),
            document_host: document.as_ref().and_then(|url| url.host_str()),
            loopback: request.reply_to.redirect.is_loopback(),
            agent,
            choices,
            more: offer.more,
            through_gateway: matches!(target, Target::Gateway),
            resource: &request.resource,
            account_name: account.shown_name(),
            scopes: &sentences,
            request: &query,
            form: &self.form_key.token(CONSENT_FORM, session_cookie(headers).unwrap_or_default(), &query),
        };
        page::show(&page, FormsLead::Away)
    }
}

fn shown(agent: &Resource) -> ShownAgent<'_> {
    ShownAgent { did: agent.agent.as_str(), name: agent.agent_name.as_deref() }
}

/// What a person is told who signed in and may not use what the client asks for.
pub(super) const fn barred_notice(target: &Target, barred: Barred) -> &'static str {
    match (target, barred) {
        (Target::Agent(_), Barred::Suspended) => {
            "This agent is suspended. Ask the administrator of its team."
        }
        (Target::Agent(_), Barred::NotInvited | Barred::NoEndpoint) => {
            "You are signed in, but may not use this agent. Sign in as somebody else, or ask the administrator of its team."
        }
        (Target::Gateway, Barred::Suspended) => {
            "The agent you may use is suspended. Ask the administrator of its team."
        }
        (Target::Gateway, Barred::NoEndpoint) => {
            "The agent you may use is not reached at this address. Ask the administrator of its team."
        }
        (Target::Gateway, Barred::NotInvited) => {
            "You are signed in, but may not use this agent, or any other here. Sign in as somebody else, or ask the administrator of \
             your team."
        }
    }
}
