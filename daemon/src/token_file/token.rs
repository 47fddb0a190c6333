//! A secret text: wiped from memory when dropped, compared in constant time, never shown.

use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;

use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

/// A bearer token or another secret text.
#[derive(Clone)]
pub struct Token(Zeroizing<String>);

impl Token {
    pub(super) fn new(text: &str) -> Self {
        Self(Zeroizing::new(text.to_owned()))
    }

    /// The secret itself.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether `presented` is this token. Hashes are compared, so that the time it takes reveals
    /// neither content nor length.
    #[must_use]
    pub fn matches(&self, presented: &str) -> bool {
        let (own, presented) = (Sha256::digest(self.0.as_bytes()), Sha256::digest(presented));
        own.as_slice().ct_eq(presented.as_slice()).into()
    }
}

impl FromStr for Token {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(Self::new(text))
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_whole_token_matches() {
        let token = Token::new("token");
        assert!(token.matches("token"));
        for other in ["", "toke", "token ", "Token"] {
            assert!(!token.matches(other), "{other:?}");
        }
    }

    #[test]
    fn the_debug_form_hides_the_secret() {
        assert_eq!(format!("{:?}", Token::new("secret")), "Token(..)");
    }
}
