//! `POST /oauth/introspect` (RFC 7662): an agent, with its API key, asks whether an access token
//! for itself is active, or which agent of its tenant an API key belongs to. The gateway, with its
//! own token, asks which agent a token or API key belongs to.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse as _, Response};
use daemon::bearer::bearer;
use protocol::access_token::Claims;
use protocol::introspection::Inactive;

use super::extract::{ClientIp, Form, required};
use super::respond::respond_to_client;
use super::state::{ServerState, SharedState};
use crate::error::{ErrorCode, OauthError};
use crate::limits::rate_limiter::RateLimit;
use crate::metrics::Endpoint;
use crate::relay::Principal;
use crate::tokens::access_token::grant_id;
use crate::tokens::introspection::{IntrospectionResponse, inactive_key, may_introspect};

/// Who sent the request.
enum Caller {
    Agent(Principal),
    Gateway,
}

pub(crate) async fn handle(
    State(server): State<SharedState>,
    ClientIp(address): ClientIp,
    headers: HeaderMap,
    form: Result<Form, OauthError>,
) -> Response {
    match introspect(&server, address, &headers, form).await {
        Ok((response, outcome)) => {
            server.metrics.count_outcome(Endpoint::Introspect, outcome);
            ([(header::CACHE_CONTROL, "no-store")], Json(response)).into_response()
        }
        Err(error) => respond_to_client(&server, Endpoint::Introspect, Err(error)),
    }
}

/// The response, and the outcome for the metrics.
async fn introspect(
    server: &ServerState,
    address: std::net::IpAddr,
    headers: &HeaderMap,
    form: Result<Form, OauthError>,
) -> Result<(IntrospectionResponse, &'static str), OauthError> {
    // Only failures count against the address, because a busy MCP server introspects often.
    let caller = authenticate(server, headers)
        .await
        .map_err(|refused| server.limiter.check_ip(RateLimit::SignIn, address).err().unwrap_or(refused))?;
    let Form(form) = form?;
    let token = required(&form, "token")?;
    match caller {
        // An access token has dots, and an API key has none.
        Caller::Agent(principal) if !token.contains('.') => {
            let key = server.relay.authenticate(token).ok();
            let key = key.filter(|key| key.tenant == principal.tenant);
            Ok((IntrospectionResponse::key_of_neighbour(key), "ok"))
        }
        Caller::Agent(principal) => {
            let claims = active_claims(server, &principal, token).await?;
            Ok((IntrospectionResponse::for_agent(claims), "ok"))
        }
        Caller::Gateway => Ok(match introspect_for_gateway(server, token).await? {
            Ok(response) => (response, "ok"),
            Err(reason) => (IntrospectionResponse::inactive(reason), reason.as_str()),
        }),
    }
}

async fn authenticate(server: &ServerState, headers: &HeaderMap) -> Result<Caller, OauthError> {
    let refused = |reason, what: &str| OauthError::new(ErrorCode::InvalidToken, reason, what);
    let presented = bearer(headers)
        .ok_or_else(|| refused("key_missing", "send the API key of the agent as Authorization: Bearer"))?;
    let error = match server.relay.authenticate(presented) {
        Ok(principal) => return Ok(Caller::Agent(principal)),
        Err(error) => error,
    };
    match server.targets.gateway() {
        Some(gateway) if gateway.has_token(presented).await => Ok(Caller::Gateway),
        _ => Err(refused("key_refused", error.reason().advice())),
    }
}

async fn active_claims(
    server: &ServerState,
    principal: &Principal,
    token: &str,
) -> Result<Option<Claims>, OauthError> {
    let Ok(claims) = server.tokens.verify(token, server.now()) else { return Ok(None) };
    if !may_introspect(principal, &claims) {
        return Ok(None);
    }
    let Some((grant, account)) = server.grants.find(grant_id(&claims)).await? else { return Ok(None) };
    Ok(server.grants.check(&grant, &account).is_ok().then_some(claims))
}

/// An access token has dots, and an API key has none.
async fn introspect_for_gateway(
    server: &ServerState,
    credential: &str,
) -> Result<Result<IntrospectionResponse, Inactive>, OauthError> {
    if credential.contains('.') {
        return introspect_token_for_gateway(server, credential).await;
    }
    let key = server.relay.authenticate(credential).map_err(inactive_key);
    Ok(key.and_then(IntrospectionResponse::active_key))
}

async fn introspect_token_for_gateway(
    server: &ServerState,
    token: &str,
) -> Result<Result<IntrospectionResponse, Inactive>, OauthError> {
    let claims = match server.tokens.verify(token, server.now()) {
        Ok(claims) if server.targets.gateway_url() == Some(&claims.aud) => claims,
        Ok(_) => return Ok(Err(Inactive::TokenWrongAudience)),
        Err(error) => return Ok(Err(error.reason())),
    };
    let Some((grant, account)) = server.grants.find(grant_id(&claims)).await? else {
        return Ok(Err(Inactive::GrantRevoked));
    };
    if let Err(invalid) = server.grants.check(&grant, &account) {
        return Ok(Err(invalid.reason()));
    }
    let endpoint = server.relay.endpoint_of(&grant.agent).and_then(|endpoint| endpoint.mcp.endpoint);
    let endpoint = endpoint.ok_or(Inactive::NoEndpoint);
    Ok(endpoint.map(|endpoint| IntrospectionResponse::active_token(claims, endpoint)))
}
