//! The query `?policy=` of a deletion.

use axum::extract::{FromRequestParts, Query};
use axum::http::request::Parts;
use protocol::Reason;
use protocol::admin::DeletionPolicy;
use serde::Deserialize;

use crate::problem::ProblemResponse;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct DeletionQuery {
    policy: Option<String>,
}

/// The policy that the request names, if it names one.
#[derive(Debug)]
pub(super) struct RequestedPolicy(pub(super) Option<DeletionPolicy>);

impl<S: Send + Sync> FromRequestParts<S> for RequestedPolicy {
    type Rejection = ProblemResponse;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ProblemResponse> {
        let invalid = |detail: String| ProblemResponse::new(Reason::InvalidParams, detail);
        let Query(query) = Query::<DeletionQuery>::from_request_parts(parts, state)
            .await
            .map_err(|error| invalid(error.body_text()))?;
        let Some(text) = query.policy else { return Ok(Self(None)) };
        let policies = [DeletionPolicy::Retain, DeletionPolicy::Purge];
        let found = policies.into_iter().find(|policy| policy.as_query() == text);
        let policy = found.ok_or_else(|| invalid("policy is retain or purge".into()))?;
        Ok(Self(Some(policy)))
    }
}
