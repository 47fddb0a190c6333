//! Extractors of the names in a path, each parsed by its own grammar.

use std::str::FromStr;

use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;
use protocol::Reason;
use protocol::api_key::KeyId;
use protocol::did::{AgentName, TenantId};

use crate::problem::ProblemResponse;

#[derive(Debug)]
pub(super) struct TenantPath(pub(super) TenantId);

#[derive(Debug)]
pub(super) struct AgentPath(pub(super) TenantId, pub(super) AgentName);

#[derive(Debug)]
pub(super) struct KeyPath(pub(super) TenantId, pub(super) KeyId);

#[derive(Debug)]
pub(super) struct InvitationPath(pub(super) TenantId, pub(super) String);

impl<S: Send + Sync> FromRequestParts<S> for InvitationPath {
    type Rejection = ProblemResponse;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ProblemResponse> {
        let texts = segments(parts, state).await?;
        Ok(Self(parse("tenant", texts.first())?, parse("invitation", texts.get(1))?))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for TenantPath {
    type Rejection = ProblemResponse;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ProblemResponse> {
        let texts = segments(parts, state).await?;
        Ok(Self(parse("tenant", texts.first())?))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for AgentPath {
    type Rejection = ProblemResponse;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ProblemResponse> {
        let texts = segments(parts, state).await?;
        Ok(Self(parse("tenant", texts.first())?, parse("agent name", texts.get(1))?))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for KeyPath {
    type Rejection = ProblemResponse;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ProblemResponse> {
        let texts = segments(parts, state).await?;
        Ok(Self(parse("tenant", texts.first())?, parse("key id", texts.get(1))?))
    }
}

async fn segments<S: Send + Sync>(parts: &mut Parts, state: &S) -> Result<Vec<String>, ProblemResponse> {
    let Path(named) = Path::<Vec<(String, String)>>::from_request_parts(parts, state)
        .await
        .map_err(|error| ProblemResponse::new(Reason::InvalidParams, error.body_text()))?;
    Ok(named.into_iter().map(|(_, text)| text).collect())
}

fn parse<T: FromStr<Err: std::fmt::Display>>(
    what: &str,
    text: Option<&String>,
) -> Result<T, ProblemResponse> {
    let text = text.ok_or(Reason::NotFound)?;
    text.parse().map_err(|error| ProblemResponse::new(Reason::InvalidParams, format!("the {what}: {error}")))
}
