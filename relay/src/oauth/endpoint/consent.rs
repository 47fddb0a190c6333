//! `POST /oauth/consent`: the person's decision, through the gateway with the agent it is about. Allowed, the client gets a code;
//! denied, it is told so.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use protocol::Did;

use super::pages::barred_notice;
use super::pending::{CONSENT_FORM, Pending};
use super::refusal::{BrowserError, see_other};
use super::{Caller, Form};
use crate::oauth::browser::session_cookie;
use crate::oauth::error::{ErrorCode, OauthError};
use crate::oauth::grant::{CODE_SECONDS, GRANT_SECONDS, Grant, StoredCode};
use crate::oauth::metrics::Endpoint;
use crate::oauth::parameters::Parameters;
use crate::oauth::secret::{Secret, random_id};
use crate::oauth::target::{Target, Unchosen};
use crate::oauth::throttle::{Kind, Who};
use crate::oauth::{Account, Oauth};
use crate::store::oauth::{clients, codes, grants};

/// Grants of one account; the oldest ends when there would be one more. Web clients make a new client for each connection.
const GRANTS_PER_ACCOUNT_MAX: u32 = 50;

pub(in crate::oauth) async fn handle(
    State(oauth): State<Oauth>,
    Caller(address): Caller,
    headers: HeaderMap,
    form: Result<Form, OauthError>,
) -> Response {
    let answer = async {
        oauth.throttle_address(Kind::Browse, address)?;
        decide(&oauth, &form?.0, &headers, address).await
    };
    let answer = answer.await;
    oauth.browsed(Endpoint::Consent, answer)
}

async fn decide(
    oauth: &Oauth,
    form: &Parameters,
    headers: &HeaderMap,
    address: std::net::IpAddr,
) -> Result<Response, BrowserError> {
    let query = form.get("request").unwrap_or_default();
    oauth.check_form(headers, CONSENT_FORM, session_cookie(headers), form.get("form"), query)?;
    let pending = oauth.read_request(query, address).await?;
    let Some(account) = oauth.signed_in(headers).await? else {
        return Ok(oauth.sign_in_page(&pending, headers, Some("Your session has ended. Sign in again."))?);
    };
    oauth.throttle(Kind::Consent, Who::Account(&account.id))?;
    let reply_to = &pending.request.reply_to;
    match form.get("decision") {
        Some("allow") => allow(oauth, &pending, &account, form.get("agent"), headers).await,
        Some("deny") => {
            let denied = OauthError::new(ErrorCode::AccessDenied, "denied", "the person said no");
            Err(BrowserError::Denied(Box::new(reply_to.clone()), denied))
        }
        _ => Err(OauthError::new(ErrorCode::InvalidRequest, "decision", "The form says neither yes nor no.")
            .into()),
    }
}

/// `named` is the agent in the form. Who may not use it may sign in as somebody else.
async fn allow(
    oauth: &Oauth,
    pending: &Pending,
    account: &Account,
    named: Option<&str>,
    headers: &HeaderMap,
) -> Result<Response, BrowserError> {
    match oauth.chosen(&pending.target, account, named) {
        Ok(agent) => {
            let code = grant(oauth, pending, account, agent).await?;
            Ok(see_other(&pending.request.reply_to.success(&oauth.issuer, code.reveal())))
        }
        Err(Unchosen::Missing) => {
            Err(OauthError::new(ErrorCode::InvalidRequest, "agent_missing", "Choose an agent.").into())
        }
        Err(Unchosen::Barred(barred)) => {
            let notice = barred_notice(&pending.target, barred);
            let refused = OauthError::new(ErrorCode::AccessDenied, barred.reason().as_str(), notice);
            oauth.count(Endpoint::Consent, Some(&refused));
            Ok(oauth.sign_in_page(pending, headers, Some(notice))?)
        }
    }
}

async fn grant(
    oauth: &Oauth,
    pending: &Pending,
    account: &Account,
    agent: Did,
) -> Result<Secret, OauthError> {
    let (now, request) = (oauth.now(), &pending.request);
    let secret = Secret::generate("m2c_", &mut rand::rng());
    let code = StoredCode {
        grant: Grant {
            id: random_id("g_", &mut rand::rng()),
            account: account.id.clone(),
            client_id: pending.client.id.clone(),
            agent,
            resource: request.resource.clone(),
            gateway: matches!(pending.target, Target::Gateway),
            scope: request.scopes.to_string(),
            expires: now.saturating_add(GRANT_SECONDS),
        },
        redirect_uri: request.reply_to.redirect.to_string(),
        challenge: request.challenge,
        expires: now.saturating_add(CODE_SECONDS),
        used: false,
    };
    let mut transaction = oauth.store.begin().await?;
    grants::insert(&mut transaction, &code.grant, now).await?;
    grants::delete_oldest(&mut transaction, &account.id, GRANTS_PER_ACCOUNT_MAX).await?;
    codes::insert(&mut transaction, secret.hash(), &code).await?;
    clients::mark_used(&mut transaction, &pending.client.id, now).await?;
    transaction.commit().await?;
    let Grant { id, account, client_id, agent, scope, .. } = &code.grant;
    tracing::info!(target: "audit", grant = id, account, client = client_id, %agent, scope, "a person allowed a client");
    Ok(secret)
}
