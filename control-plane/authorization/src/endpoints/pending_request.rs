//! Reads an authorization request at every step of sign-in and consent. Forms carry it as a query
//! and it is checked again each time, so that nothing is stored and nothing that a browser changed
//! is trusted.

use std::net::IpAddr;

use protocol::introspection::Inactive;

use super::extract::parse_parameters;
use super::respond::BrowserError;
use super::state::ServerState;
use crate::authorize::pending::PendingAuthorization;
use crate::authorize::request::{AuthorizationRequest, ReplyTo};
use crate::authorize::target::Target;
use crate::error::{ErrorCode, OauthError};

pub(crate) async fn read_request(
    server: &ServerState,
    query: &str,
    address: IpAddr,
) -> Result<PendingAuthorization, BrowserError> {
    let parameters = parse_parameters(query.as_bytes())?;
    let client_id = parameters.get("client_id").ok_or_else(|| {
        OauthError::new(ErrorCode::InvalidRequest, "client_missing", "the request has no client_id")
    })?;
    let client = server.clients.find(client_id, address, server.now()).await?;
    let reply_to = ReplyTo::parse(&parameters, &client)?;
    let to_client = |error| BrowserError::Client(Box::new(reply_to.clone()), error);
    let is_resource = |url: &str| server.targets.find(url).is_some();
    let request =
        AuthorizationRequest::parse(&parameters, reply_to.clone(), is_resource).map_err(to_client)?;
    let target = server.targets.find(&request.resource).ok_or_else(resource_gone).map_err(to_client)?;
    if matches!(&target, Target::Agent(endpoint) if endpoint.suspended) {
        return Err(to_client(suspended()));
    }
    Ok(PendingAuthorization { request, client, target })
}

fn resource_gone() -> OauthError {
    let what = "resource is no longer an MCP endpoint of this relay";
    OauthError::new(ErrorCode::InvalidTarget, "resource", what)
}

fn suspended() -> OauthError {
    let reason = Inactive::Suspended.as_str();
    OauthError::new(ErrorCode::AccessDenied, reason, "the agent or its tenant is suspended")
}
