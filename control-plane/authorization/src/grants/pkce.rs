//! Proof Key for Code Exchange (RFC 7636), method S256 only.

use protocol::base64url;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

/// The code challenge of an authorization request: the SHA-256 of the verifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Challenge(pub(crate) [u8; 32]);

/// Why a code challenge was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ChallengeError {
    #[error("code_challenge is missing: use PKCE with S256")]
    Missing,
    #[error("code_challenge_method must be S256")]
    Method,
    #[error("code_challenge is not the base64url of 32 bytes")]
    Form,
}

impl Challenge {
    /// An absent method means `plain` (RFC 7636 section 4.3), which is not supported.
    pub(crate) fn parse(challenge: Option<&str>, method: Option<&str>) -> Result<Self, ChallengeError> {
        let challenge = challenge.ok_or(ChallengeError::Missing)?;
        if method != Some("S256") {
            return Err(ChallengeError::Method);
        }
        base64url::decode_array(challenge).map(Self).map_err(|_| ChallengeError::Form)
    }

    /// Whether the verifier has the form of RFC 7636 section 4.1 and this hash.
    pub(crate) fn matches(&self, verifier: &str) -> bool {
        let unreserved = |b: u8| b.is_ascii_alphanumeric() || b"-._~".contains(&b);
        let well_formed = (43..=128).contains(&verifier.len()) && verifier.bytes().all(unreserved);
        well_formed && bool::from(Sha256::digest(verifier).as_slice().ct_eq(&self.0))
    }

    pub(crate) fn text(&self) -> String {
        base64url::encode(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

    #[test]
    fn the_example_of_the_rfc_is_met_by_its_verifier_only() {
        let challenge = Challenge::parse(Some(CHALLENGE), Some("S256")).unwrap();
        assert!(challenge.matches(VERIFIER));
        assert!(!challenge.matches(&VERIFIER.to_uppercase()));
        assert!(!challenge.matches(""));
        assert_eq!(challenge.text(), CHALLENGE);
    }

    #[test]
    fn a_verifier_outside_the_grammar_is_refused_though_its_hash_is_right() {
        for verifier in ["short", &"x".repeat(129), &format!("{}+", "x".repeat(50))] {
            assert!(!Challenge(Sha256::digest(verifier).into()).matches(verifier), "{verifier}");
        }
    }

    #[test]
    fn only_s256_is_taken() {
        let parse = |challenge, method| Challenge::parse(challenge, method).unwrap_err();
        assert_eq!(parse(None, Some("S256")), ChallengeError::Missing);
        assert_eq!(parse(Some(VERIFIER), Some("plain")), ChallengeError::Method);
        assert_eq!(parse(Some(CHALLENGE), None), ChallengeError::Method);
        assert_eq!(parse(Some("short"), Some("S256")), ChallengeError::Form);
    }
}
