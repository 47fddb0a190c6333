//! Proof that a form was served by us to the browser that sends it: an HMAC over the browser's cookie and the request that
//! the form is about. Nothing is stored.

use protocol::base64url;
use ring::hmac;

/// A key of this process; a restart makes open forms stale, and the person starts again.
pub(super) struct FormKey(hmac::Key);

impl FormKey {
    pub(super) fn new(secret: &[u8; 32]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, secret))
    }

    /// `cookie` ties it to the browser, `purpose` to the form, `request` to what is decided.
    pub(super) fn token(&self, purpose: &str, cookie: &str, request: &str) -> String {
        base64url::encode(hmac::sign(&self.0, message(purpose, cookie, request).as_bytes()).as_ref())
    }

    pub(super) fn fits(&self, token: &str, purpose: &str, cookie: &str, request: &str) -> bool {
        let Ok(tag) = base64url::decode(token) else { return false };
        hmac::verify(&self.0, message(purpose, cookie, request).as_bytes(), &tag).is_ok()
    }
}

/// Purposes and cookies hold no line feed, so no two triples make the same text.
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
        assert!(key.fits(&token, "consent", "cookie", "a=1"));
        assert!(!key.fits(&token, "sign-in", "cookie", "a=1"));
        assert!(!key.fits(&token, "consent", "other", "a=1"));
        assert!(!key.fits(&token, "consent", "cookie", "a=2"));
        assert!(!FormKey::new(&[2; 32]).fits(&token, "consent", "cookie", "a=1"));
        assert!(!key.fits("", "consent", "cookie", "a=1"));
    }
}
