//! A request as the server received it.

use http::{HeaderMap, Uri};

use crate::refusal::SignatureRefusal;

/// What a signature may cover of a request. Cheap to copy.
#[derive(Debug, Clone, Copy)]
pub struct ReceivedRequest<'a> {
    pub method: &'a str,
    /// The absolute URL that the client used. A server makes it from the URL under which it is
    /// known, never from a header field that a client may choose.
    pub target_uri: &'a str,
    pub headers: &'a HeaderMap,
    pub body: &'a [u8],
}

impl ReceivedRequest<'_> {
    /// The value of a covered component (RFC 9421 section 2).
    pub(crate) fn component(&self, name: &str) -> Result<String, SignatureRefusal> {
        match name {
            "@method" => Ok(self.method.to_owned()),
            "@target-uri" => Ok(self.target_uri.to_owned()),
            "@authority" => authority(self.target_uri),
            name if name.starts_with('@') => Err(SignatureRefusal::Component(name.to_owned())),
            field => self.field(field),
        }
    }

    /// The combined value of a header field (RFC 9421 section 2.1).
    fn field(&self, name: &str) -> Result<String, SignatureRefusal> {
        let missing = || SignatureRefusal::Component(name.to_owned());
        let values: Result<Vec<_>, _> = self.headers.get_all(name).iter().map(|v| v.to_str()).collect();
        let values = values.map_err(|_| missing())?;
        if values.is_empty() {
            return Err(missing());
        }
        Ok(values.iter().map(|value| value.trim()).collect::<Vec<_>>().join(", "))
    }

    /// The value of a header field that must be there once.
    pub(crate) fn single_field(&self, name: &'static str) -> Result<Option<&str>, SignatureRefusal> {
        let mut values = self.headers.get_all(name).iter();
        let (value, more) = (values.next(), values.next());
        match (value, more) {
            (None, _) => Ok(None),
            (Some(value), None) => value.to_str().map(Some).map_err(|_| SignatureRefusal::Malformed(name)),
            (Some(_), Some(_)) => Err(SignatureRefusal::Malformed(name)),
        }
    }
}

/// The host of an absolute URL in lower case, with its port unless it is the default one (RFC 9421
/// section 2.2.3).
pub(crate) fn authority(target_uri: &str) -> Result<String, SignatureRefusal> {
    let uri: Uri = target_uri.parse().map_err(|_| SignatureRefusal::TargetUri)?;
    let host = uri.host().ok_or(SignatureRefusal::TargetUri)?.to_ascii_lowercase();
    let default = match uri.scheme_str() {
        Some("https") => 443,
        Some("http") => 80,
        _ => return Err(SignatureRefusal::TargetUri),
    };
    Ok(match uri.port_u16() {
        Some(port) if port != default => format!("{host}:{port}"),
        _ => host,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_authority_is_lower_case_and_without_the_default_port() {
        for (url, wanted) in [
            ("https://Example.com/a?b", "example.com"),
            ("https://example.com:443/", "example.com"),
            ("https://example.com:8443", "example.com:8443"),
            ("http://localhost:80/x", "localhost"),
        ] {
            assert_eq!(authority(url).unwrap(), wanted, "{url}");
        }
        for url in ["/a", "example.com", "ftp://example.com/", ""] {
            assert!(matches!(authority(url), Err(SignatureRefusal::TargetUri)), "{url}");
        }
    }
}
