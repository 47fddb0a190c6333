//! The header fields of a 401 that asks for a signature by a DID (ANP-02 section 3.2.4.1).

use http::header::{CACHE_CONTROL, HeaderName, WWW_AUTHENTICATE};

use crate::refusal::SignatureRefusal;

/// What a signature has to cover here. `content-digest` is left out of a request without body.
const ACCEPT_SIGNATURE: &str =
    r#"sig1=("@method" "@target-uri" "@authority" "content-digest");created;expires;nonce;keyid"#;

/// Writes the header fields for a refusal. `realm` is the domain of the server. The description is
/// the refusal's own sentence and says nothing about other callers.
#[must_use]
pub fn challenge(realm: &str, refusal: &SignatureRefusal) -> [(HeaderName, String); 3] {
    let (error, description) = (refusal.challenge_error(), quoted(&refusal.to_string()));
    let realm = quoted(realm);
    [
        (
            WWW_AUTHENTICATE,
            format!(r#"DIDWba realm="{realm}", error="{error}", error_description="{description}""#),
        ),
        (HeaderName::from_static("accept-signature"), ACCEPT_SIGNATURE.to_owned()),
        (CACHE_CONTROL, "no-store".to_owned()),
    ]
}

/// A text that needs no escape in a quoted string. What the caller sent may be in it.
fn quoted(text: &str) -> String {
    let safe = |c: char| matches!(c, ' '..='~') && !matches!(c, '"' | '\\');
    text.chars().map(|c| if safe(c) { c } else { '\'' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_challenge_names_the_error_and_what_to_sign() {
        let [(_, asks), (name, accepts), (_, cache)] = challenge("example.com", &SignatureRefusal::Signature);
        assert_eq!(
            asks,
            r#"DIDWba realm="example.com", error="invalid_signature", error_description="the signature does not verify""#
        );
        assert_eq!((name.as_str(), cache.as_str()), ("accept-signature", "no-store"));
        assert!(accepts.starts_with(r#"sig1=("@method" "@target-uri""#));
    }

    #[test]
    fn nothing_that_the_caller_sent_leaves_the_quotes() {
        let refusal = SignatureRefusal::Component("a\"\r\nset-cookie: x".to_owned());
        let [(_, asks), ..] = challenge("example.com", &refusal);
        assert_eq!((asks.matches('"').count(), asks.contains(['\r', '\n'])), (6, false), "{asks}");
    }
}
