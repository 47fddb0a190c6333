//! `POST /oauth/introspect` (RFC 7662): an agent asks, with its API key, whether an access token for itself still holds; the
//! relay's gateway asks, with its own token, whom a token or API key speaks for. What cannot be told, or must not, is inactive.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse as _, Response};

use protocol::access_token::Claims;

use super::{Caller, Form};
use crate::bearer::bearer;
use crate::directory::Principal;
use crate::oauth::access_token;
use crate::oauth::error::{ErrorCode, OauthError};
use crate::oauth::introspection::{Answer, Inactive, covers};
use crate::oauth::metrics::Endpoint;
use crate::oauth::throttle::Kind;
use crate::oauth::{Oauth, standing};

enum Asker {
    Agent(Principal),
    Gateway,
}

pub(in crate::oauth) async fn handle(
    State(oauth): State<Oauth>,
    Caller(address): Caller,
    headers: HeaderMap,
    form: Result<Form, OauthError>,
) -> Response {
    let answer = async {
        // Only failures are counted against an address: a busy server of agents asks often.
        let asker = authenticate(&oauth, &headers)
            .await
            .map_err(|refused| oauth.throttle_address(Kind::SignIn, address).err().unwrap_or(refused))?;
        let Form(form) = form?;
        let token = form.get("token").ok_or_else(|| {
            OauthError::new(ErrorCode::InvalidRequest, "parameter_missing", "token is missing")
        })?;
        match asker {
            Asker::Agent(who) => Ok((Answer::to_agent(active(&oauth, &who, token).await?), "ok")),
            Asker::Gateway => Ok(match speaks_for(&oauth, token).await? {
                Ok(answer) => (answer, "ok"),
                Err(why) => (Answer::inactive(why), why.reason().as_str()),
            }),
        }
    };
    match answer.await {
        Ok((answer, outcome)) => {
            oauth.metrics.answered(Endpoint::Introspect, outcome);
            ([(header::CACHE_CONTROL, "no-store")], Json(answer)).into_response()
        }
        Err(error) => oauth.answered(Endpoint::Introspect, Err(error)),
    }
}

async fn authenticate(oauth: &Oauth, headers: &HeaderMap) -> Result<Asker, OauthError> {
    let refused = |reason, what: &str| OauthError::new(ErrorCode::InvalidToken, reason, what);
    let presented = bearer(headers)
        .ok_or_else(|| refused("key_missing", "send the API key of the agent as Authorization: Bearer"))?;
    match oauth.directory.authenticate(presented) {
        Ok(who) => Ok(Asker::Agent(who)),
        Err(_) if oauth.is_from_gateway(presented).await => Ok(Asker::Gateway),
        Err(error) => Err(refused("key_refused", error.reason().advice())),
    }
}

async fn active(oauth: &Oauth, who: &Principal, token: &str) -> Result<Option<Claims>, OauthError> {
    let verified = access_token::verify(token, &oauth.keys.current(), oauth.issuer.as_str(), oauth.now());
    let Ok(claims) = verified else { return Ok(None) };
    if !covers(who, &claims) {
        return Ok(None);
    }
    let Some((grant, account)) = oauth.store.grant_and_account(access_token::grant_id(&claims)).await? else {
        return Ok(None);
    };
    Ok(oauth.check_standing(&grant, &account).is_ok().then_some(claims))
}

/// What the gateway is told. A token has dots, and an API key has none.
async fn speaks_for(oauth: &Oauth, credential: &str) -> Result<Result<Answer, Inactive>, OauthError> {
    if credential.contains('.') {
        return speaks_for_token(oauth, credential).await;
    }
    let access = oauth.directory.key_access(credential).map_err(Inactive::Key);
    Ok(access.and_then(Answer::of_key))
}

async fn speaks_for_token(oauth: &Oauth, token: &str) -> Result<Result<Answer, Inactive>, OauthError> {
    let verified = access_token::verify(token, &oauth.keys.current(), oauth.issuer.as_str(), oauth.now());
    let claims = match verified {
        Ok(claims) if oauth.gateway_url() == Some(&claims.aud) => claims,
        Ok(_) => return Ok(Err(Inactive::WrongAudience)),
        Err(error) => return Ok(Err(Inactive::Token(error))),
    };
    let Some((grant, account)) = oauth.store.grant_and_account(access_token::grant_id(&claims)).await? else {
        return Ok(Err(Inactive::GrantRevoked));
    };
    let agent = oauth.directory.resource_of(&grant.agent);
    if let Err(lapsed) = standing::judge(&grant, &account, agent.as_ref(), oauth.gateway_url()) {
        return Ok(Err(Inactive::Lapsed(lapsed)));
    }
    let endpoint = agent.and_then(|agent| agent.mcp.endpoint).ok_or(Inactive::NoEndpoint);
    Ok(endpoint.map(|endpoint| Answer::of_token(claims, endpoint)))
}
