//! The query `?after=&limit=` of the lists.

use std::str::FromStr;

use axum::extract::{FromRequestParts, Query};
use axum::http::request::Parts;
use protocol::Reason;
use protocol::admin::PAGE_MAX;
use serde::Deserialize;

use crate::problem::ProblemResponse;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct PagingQuery {
    after: Option<String>,
    limit: Option<usize>,
}

#[derive(Debug)]
pub(super) struct Paging<T> {
    pub(super) after: Option<T>,
    /// 1 to [`PAGE_MAX`].
    pub(super) limit: usize,
}

impl<T: FromStr<Err: std::fmt::Display>, S: Send + Sync> FromRequestParts<S> for Paging<T> {
    type Rejection = ProblemResponse;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ProblemResponse> {
        let invalid = |detail: String| ProblemResponse::new(Reason::InvalidParams, detail);
        let Query(query) = Query::<PagingQuery>::from_request_parts(parts, state)
            .await
            .map_err(|error| invalid(error.body_text()))?;
        let after = query.after.map(|text| text.parse::<T>()).transpose();
        let after = after.map_err(|error| invalid(format!("after: {error}")))?;
        Ok(Self { after, limit: limit(query.limit) })
    }
}

/// How many entries are answered when the query asks for so many.
fn limit(requested: Option<usize>) -> usize {
    requested.unwrap_or(PAGE_MAX).clamp(1, PAGE_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_has_one_to_five_hundred_entries() {
        let limits = [None, Some(0), Some(1), Some(500), Some(501), Some(usize::MAX)].map(limit);
        assert_eq!(limits, [500, 1, 1, 500, 500, 500]);
    }
}
