//! Protects forms against cross-site request forgery (CSRF): a hidden field has an HMAC over the
//! browser's cookie and the request that the form is about. Nothing is stored.

use protocol::base64url;
use ring::hmac;

/// The key of this process. After a restart, open forms are out of date and the person starts
/// again.
pub(crate) struct FormKey(hmac::Key);

impl FormKey {
    pub(crate) fn new(secret: &[u8; 32]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, secret))
    }

    /// The token of a form. `cookie` binds it to the browser, `purpose` to the kind of form and
    /// `request` to the authorization request.
    pub(crate) fn token(&self, purpose: &str, cookie: &str, request: &str) -> String {
        base64url::encode(hmac::sign(&self.0, message(purpose, cookie, request).as_bytes()).as_ref())
    }

    /// Whether a token was made for this form.
    pub(crate) fn verify(&self, token: &str, purpose: &str, cookie: &str, request: &str) -> bool {
        let Ok(tag) = base64url::decode(token) else { return false };
        hmac::verify(&self.0, message(purpose, cookie, request).as_bytes(), &tag).is_ok()
    }
}

/// Purposes and cookies have no line feed, so different triples have different messages.
fn message(purpose: &str, cookie: &str, request: &str) -> String {
    format!("{purpose}\n{cookie}\n{request}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_fits_its_purpose_browser_and_request_only() {
        let key = FormKey::new(&[1; 32]);
        let token = key.token("consent", "cookie", "a=1");
        assert!(key.verify(&token, "consent", "cookie", "a=1"));
        assert!(!key.verify(&token, "sign-in", "cookie", "a=1"));
        assert!(!key.verify(&token, "consent", "other", "a=1"));
        assert!(!key.verify(&token, "consent", "cookie", "a=2"));
        assert!(!FormKey::new(&[2; 32]).verify(&token, "consent", "cookie", "a=1"));
        assert!(!key.verify("", "consent", "cookie", "a=1"));
    }
}
