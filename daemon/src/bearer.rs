//! Reads the bearer credential of a request (RFC 6750 section 2.1).

use axum::http::{HeaderMap, header};

/// The credential in the header `Authorization: Bearer`.
///
/// ```
/// use axum::http::{HeaderMap, HeaderValue, header};
///
/// let value = HeaderValue::from_static("Bearer secret");
/// let headers = HeaderMap::from_iter([(header::AUTHORIZATION, value)]);
/// assert_eq!(msg2agent_daemon::bearer::bearer(&headers), Some("secret"));
/// ```
#[must_use]
pub fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, credential) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| credential.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bearer_credential_is_found_whatever_the_case_of_its_scheme() {
        let of = |value: &str| {
            let headers = HeaderMap::from_iter([(header::AUTHORIZATION, value.parse().unwrap())]);
            bearer(&headers).map(str::to_owned)
        };
        assert_eq!(of("bearer abc"), Some("abc".into()));
        assert_eq!(of("Basic abc"), None);
        assert_eq!(of("Bearer"), None);
    }
}
