//! Reads the headers of a write: who writes, and under which conditions.

use std::str::FromStr;

use axum::extract::FromRequestParts;
use axum::http::HeaderMap;
use axum::http::request::Parts;
use protocol::Reason;
use protocol::admin::{FORMER_OWNER_HEADER, IF_OWNED_HEADER, OWNER_HEADER, Owner, OwnerError, TERM_HEADER};

use crate::directory::Requester;
use crate::problem::ProblemResponse;

impl<S: Send + Sync> FromRequestParts<S> for Requester {
    type Rejection = ProblemResponse;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ProblemResponse> {
        read(&parts.headers)
    }
}

fn read(headers: &HeaderMap) -> Result<Requester, ProblemResponse> {
    let requester = Requester {
        owner: parsed(headers, OWNER_HEADER)?,
        former_owner: parsed(headers, FORMER_OWNER_HEADER)?,
        if_owned: parsed(headers, IF_OWNED_HEADER)?.unwrap_or(false),
        term: parsed(headers, TERM_HEADER)?,
    };
    check_owner(requester.owner.as_ref())?;
    Ok(requester)
}

/// Refuses a write in the name of an agent that registered itself, and of an owner that this
/// version does not know.
pub(super) fn check_owner(owner: Option<&Owner>) -> Result<(), ProblemResponse> {
    let detail = match owner {
        None | Some(Owner::Kubernetes(_) | Owner::CommandLine) => return Ok(()),
        Some(Owner::Registration) => {
            "registration owns only what an agent registers; name another owner".to_owned()
        }
        Some(Owner::Newer(_)) => format!("the owner: {OwnerError}"),
    };
    Err(ProblemResponse::new(Reason::InvalidParams, detail))
}

/// The value of a header that may be given once.
fn parsed<T: FromStr<Err: std::fmt::Display>>(
    headers: &HeaderMap,
    name: &'static str,
) -> Result<Option<T>, ProblemResponse> {
    let invalid = |detail: String| ProblemResponse::new(Reason::InvalidParams, format!("{name}: {detail}"));
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(invalid("the header is given more than once".into()));
    }
    let text = value.to_str().map_err(|error| invalid(error.to_string()))?;
    text.parse().map(Some).map_err(|error: T::Err| invalid(error.to_string()))
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderName, HeaderValue};
    use protocol::admin::Term;

    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for &(name, value) in pairs {
            map.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        map
    }

    #[test]
    fn a_request_without_headers_names_nobody_and_sets_no_condition() {
        assert_eq!(read(&headers(&[])), Ok(Requester::default()));
    }

    #[test]
    fn every_header_is_read() {
        let found = read(&headers(&[
            (OWNER_HEADER, "kubernetes:uid-1"),
            (FORMER_OWNER_HEADER, "registration"),
            (IF_OWNED_HEADER, "true"),
            (TERM_HEADER, "1700000000.3"),
        ]));
        let expected = Requester {
            owner: Some(Owner::Kubernetes("uid-1".into())),
            former_owner: Some(Owner::Registration),
            if_owned: true,
            term: Some(Term { lease_created: 1_700_000_000, transitions: 3 }),
        };
        assert_eq!(found, Ok(expected));
    }

    #[test]
    fn a_malformed_header_is_refused_with_its_name() {
        for (name, value) in [
            (OWNER_HEADER, "me"),
            (OWNER_HEADER, "registration"),
            (FORMER_OWNER_HEADER, "kubernetes:"),
            (IF_OWNED_HEADER, "yes"),
            (TERM_HEADER, "3"),
        ] {
            let refused = read(&headers(&[(name, value)])).unwrap_err();
            assert_eq!(refused.reason, Reason::InvalidParams, "{name}: {value}");
        }
        let twice = read(&headers(&[(TERM_HEADER, "1.1"), (TERM_HEADER, "1.2")])).unwrap_err();
        assert!(twice.detail.is_some_and(|detail| detail.starts_with(TERM_HEADER)));
    }
}
