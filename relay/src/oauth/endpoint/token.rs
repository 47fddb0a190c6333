//! `POST /oauth/token`: a code or a refresh token becomes an access token and the next refresh token.
//!
//! What is decided and what is written are one transaction: of two requests with one code, the second finds it used.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse as _, Response};
use serde::Serialize;
use sqlx::{Sqlite, Transaction};

use super::{Caller, Form};
use crate::oauth::access_token;
use crate::oauth::error::{ErrorCode, OauthError};
use crate::oauth::grant::{
    ACCESS_SECONDS, CodeExchange, Grant, REFRESH_SECONDS, Refresh, Refused, Use, judge_code, judge_refresh,
};
use crate::oauth::metrics::Endpoint;
use crate::oauth::parameters::Parameters;
use crate::oauth::secret::{Secret, SecretHash, random_id};
use crate::oauth::throttle::Kind;
use crate::oauth::{Account, Oauth, standing};
use crate::store::oauth::{codes, grants, refresh_tokens};
use protocol::access_token::Claims;

/// Replaced refresh tokens of a grant that are remembered to notice their return: half a day at one refresh in ten minutes.
const REPLACED_MAX: u32 = 72;

/// RFC 6749 section 5.1.
#[derive(Serialize)]
struct Issued<'a> {
    access_token: String,
    token_type: &'static str,
    expires_in: u64,
    refresh_token: &'a str,
    scope: &'a str,
}

pub(in crate::oauth) async fn handle(
    State(oauth): State<Oauth>,
    Caller(address): Caller,
    headers: HeaderMap,
    form: Result<Form, OauthError>,
) -> Response {
    let answer = async {
        oauth.throttle_address(Kind::Token, address)?;
        let Form(form) = form?;
        let client_id = client_id(&form, &headers)?;
        oauth.check_client_id(client_id).await?;
        match form.get("grant_type") {
            Some("authorization_code") => exchange(&oauth, client_id, &form).await,
            Some("refresh_token") => refresh(&oauth, client_id, &form).await,
            Some(_) => Err(OauthError::new(
                ErrorCode::UnsupportedGrantType,
                "grant_type",
                "grant_type must be authorization_code or refresh_token",
            )),
            None => Err(missing("grant_type")),
        }
    };
    oauth.answered(Endpoint::Token, answer.await)
}

/// Clients are public: they say who they are and prove nothing, so a secret is a mistake of theirs.
pub(super) fn client_id<'a>(form: &'a Parameters, headers: &HeaderMap) -> Result<&'a str, OauthError> {
    let refused = |reason, what| OauthError::new(ErrorCode::InvalidClient, reason, what);
    if headers.contains_key(header::AUTHORIZATION) || form.get("client_secret").is_some() {
        return Err(refused(
            "client_authentication",
            "clients are public here: send client_id, and no secret",
        ));
    }
    form.get("client_id").ok_or_else(|| refused("client_missing", "client_id is missing"))
}

async fn exchange(oauth: &Oauth, client_id: &str, form: &Parameters) -> Result<Response, OauthError> {
    let code = SecretHash::of(form.get("code").ok_or_else(|| missing("code"))?);
    let presented = CodeExchange {
        client_id,
        redirect_uri: form.get("redirect_uri").ok_or_else(|| missing("redirect_uri"))?,
        verifier: form.get("code_verifier").ok_or_else(|| missing("code_verifier"))?,
        resource: form.get("resource"),
    };
    let mut transaction = oauth.store.begin().await?;
    let stored = oauth.store.code(&mut transaction, code).await?;
    let stored = stored.ok_or_else(|| invalid_grant("code_unknown", "no such code"))?;
    if let Err(refused) = judge_code(&stored, presented, oauth.now()) {
        return Err(refuse(transaction, &stored.grant, refused).await?);
    }
    let account = standing(oauth, &mut transaction, &stored.grant).await?;
    codes::mark_used(&mut transaction, code).await?;
    let scope = stored.grant.scope.clone();
    issue(oauth, transaction, &stored.grant, &account, &scope).await
}

async fn refresh(oauth: &Oauth, client_id: &str, form: &Parameters) -> Result<Response, OauthError> {
    let token = SecretHash::of(form.get("refresh_token").ok_or_else(|| missing("refresh_token"))?);
    let presented = Refresh { client_id, resource: form.get("resource"), scope: form.get("scope") };
    let now = oauth.now();
    let mut transaction = oauth.store.begin().await?;
    let stored = oauth.store.refresh_token(&mut transaction, token).await?;
    let stored = stored.ok_or_else(|| invalid_grant("refresh_unknown", "no such refresh token"))?;
    let (marked, scope) = match judge_refresh(&stored, presented, now) {
        Ok(judged) => judged,
        Err(refused) => return Err(refuse(transaction, &stored.grant, refused).await?),
    };
    let account = standing(oauth, &mut transaction, &stored.grant).await?;
    match marked {
        Use::First => refresh_tokens::mark_replaced(&mut transaction, token, now).await?,
        Use::Again => refresh_tokens::mark_retried(&mut transaction, token).await?,
    }
    refresh_tokens::delete_oldest_replaced(&mut transaction, &stored.grant.id, REPLACED_MAX).await?;
    issue(oauth, transaction, &stored.grant, &account, &scope).await
}

/// What to say, once a grant that ends has ended.
async fn refuse(
    mut transaction: Transaction<'_, Sqlite>,
    grant: &Grant,
    refused: Refused,
) -> Result<OauthError, OauthError> {
    if refused.ends_grant {
        grants::delete(&mut transaction, &grant.id).await?;
        transaction.commit().await?;
        let (reason, Grant { id, account, client_id, .. }) = (refused.error.reason, grant);
        tracing::warn!(target: "audit", reason, grant = id, account, client = client_id, "revoked a grant: {reason}");
    }
    Ok(refused.error)
}

/// The grant's account, if both may still use the agent.
async fn standing(
    oauth: &Oauth,
    transaction: &mut Transaction<'_, Sqlite>,
    grant: &Grant,
) -> Result<Account, OauthError> {
    let account = oauth.store.account_in(&mut *transaction, &grant.account).await?;
    let account =
        account.ok_or_else(|| invalid_grant("account_gone", "the account does not exist any more"))?;
    oauth.check_standing(grant, &account)?;
    Ok(account)
}

impl Oauth {
    /// Whether the resource is still the agent's, and the account may still use it.
    pub(super) fn check_standing(&self, grant: &Grant, account: &Account) -> Result<(), OauthError> {
        let agent = self.directory.resource_of(&grant.agent);
        standing::judge(grant, account, agent.as_ref(), self.gateway_url())
            .map_err(|lapsed| invalid_grant(lapsed.reason().as_str(), lapsed.sentence()))
    }
}

async fn issue(
    oauth: &Oauth,
    mut transaction: Transaction<'_, Sqlite>,
    grant: &Grant,
    account: &Account,
    scope: &str,
) -> Result<Response, OauthError> {
    let now = oauth.now();
    let next = Secret::generate("m2r_", &mut rand::rng());
    let expires = now.saturating_add(REFRESH_SECONDS).min(grant.expires);
    refresh_tokens::insert(&mut transaction, next.hash(), &grant.id, expires).await?;
    transaction.commit().await?;
    let claims = Claims {
        iss: oauth.issuer.to_string(),
        aud: grant.resource.clone(),
        sub: account.id.clone(),
        client_id: grant.client_id.clone(),
        scope: scope.to_owned(),
        agent: grant.agent.clone(),
        jti: access_token::jti(&grant.id, &random_id("", &mut rand::rng())),
        iat: now,
        exp: now.saturating_add(ACCESS_SECONDS),
    };
    let issued = Issued {
        access_token: sign(oauth, &claims)?,
        token_type: "Bearer",
        expires_in: ACCESS_SECONDS,
        refresh_token: next.reveal(),
        scope,
    };
    let headers = [
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (header::PRAGMA, HeaderValue::from_static("no-cache")),
    ];
    Ok((headers, Json(issued)).into_response())
}

fn sign(oauth: &Oauth, claims: &Claims) -> Result<String, OauthError> {
    let keys = oauth.keys.current();
    let no_key = || OauthError::new(ErrorCode::ServerError, "no_key", "the relay has no signing key");
    access_token::sign(claims, keys.active().ok_or_else(no_key)?)
        .map_err(|error| OauthError::internal("sign", &error))
}

fn missing(parameter: &str) -> OauthError {
    OauthError::new(ErrorCode::InvalidRequest, "parameter_missing", format!("{parameter} is missing"))
}

fn invalid_grant(reason: &'static str, what: &str) -> OauthError {
    OauthError::new(ErrorCode::InvalidGrant, reason, what)
}
