//! Signs and verifies access tokens: JWTs of RFC 9068 with Ed25519 (RFC 8037). Resource servers
//! verify them with the published keys. Pure.

use ed25519_dalek::{Signer as _, Verifier as _};
use protocol::access_token::{ALGORITHM, Claims, JoseHeader, TOKEN_BYTES_MAX, TOKEN_TYPE};
use protocol::introspection::Inactive;
use protocol::{UnixSeconds, base64url, strict_json};

use super::signing_key::{KeySet, SigningKey};

/// Separates the grant id in a `jti` from its random part.
const JTI_SEPARATOR: char = '.';

/// Why an access token was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TokenError {
    #[error("it is not an access token of this relay")]
    Form,
    #[error("it is signed with an unknown key")]
    Key,
    #[error("its signature is wrong")]
    Signature,
    #[error("it is from another issuer")]
    Issuer,
    #[error("it has expired")]
    Expired,
}

impl TokenError {
    /// The reason for the gateway.
    pub(crate) const fn reason(self) -> Inactive {
        match self {
            Self::Form => Inactive::TokenMalformed,
            Self::Key => Inactive::TokenKeyUnknown,
            Self::Signature => Inactive::TokenBadSignature,
            Self::Issuer => Inactive::TokenWrongIssuer,
            Self::Expired => Inactive::TokenExpired,
        }
    }
}

/// The id of the grant that a token was issued under.
pub(crate) fn grant_id(claims: &Claims) -> &str {
    claims.jti.split_once(JTI_SEPARATOR).map_or("", |(grant, _)| grant)
}

/// The `jti` of a new token of a grant.
pub(crate) fn jti(grant: &str, random: &str) -> String {
    format!("{grant}{JTI_SEPARATOR}{random}")
}

/// Signs a token.
///
/// # Errors
/// Only if serde cannot serialise the claims, which does not happen.
pub(crate) fn sign(claims: &Claims, key: &SigningKey) -> serde_json::Result<String> {
    let header = JoseHeader { alg: ALGORITHM.into(), typ: TOKEN_TYPE.into(), kid: key.kid().to_owned() };
    let part = |json: Vec<u8>| base64url::encode(&json);
    let signed = format!("{}.{}", part(serde_json::to_vec(&header)?), part(serde_json::to_vec(claims)?));
    let signature = key.secret().sign(signed.as_bytes());
    Ok(format!("{signed}.{}", base64url::encode(&signature.to_bytes())))
}

/// The claims of a token, if this issuer signed it and it has not expired.
pub(crate) fn verify(
    token: &str,
    keys: &KeySet,
    issuer: &str,
    now: UnixSeconds,
) -> Result<Claims, TokenError> {
    let claims = verify_signature(token, keys)?;
    if claims.iss != issuer {
        return Err(TokenError::Issuer);
    }
    if claims.exp <= now { Err(TokenError::Expired) } else { Ok(claims) }
}

fn verify_signature(token: &str, keys: &KeySet) -> Result<Claims, TokenError> {
    if token.len() > TOKEN_BYTES_MAX {
        return Err(TokenError::Form);
    }
    let (signed, signature) = token.rsplit_once('.').ok_or(TokenError::Form)?;
    let (header, claims) = signed.split_once('.').ok_or(TokenError::Form)?;
    let header: JoseHeader = part(header)?;
    if header.alg != ALGORITHM || header.typ != TOKEN_TYPE {
        return Err(TokenError::Form);
    }
    let key = keys.find(&header.kid).ok_or(TokenError::Key)?;
    let signature = base64url::decode_array::<64>(signature).map_err(|_| TokenError::Form)?;
    let signature = ed25519_dalek::Signature::from_bytes(&signature);
    key.secret().verifying_key().verify(signed.as_bytes(), &signature).map_err(|_| TokenError::Signature)?;
    part(claims)
}

fn part<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, TokenError> {
    let json = base64url::decode(text).map_err(|_| TokenError::Form)?;
    strict_json::from_slice(&json).map_err(|_| TokenError::Form)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn claims() -> Claims {
        Claims {
            iss: "https://relay.example".into(),
            aud: "https://mcp.example/alice".into(),
            sub: "acct_x".into(),
            client_id: "c".into(),
            scope: "mcp:read".into(),
            agent: "did:wba:example.com:agent:alice".parse().unwrap(),
            jti: jti("g_1", "r"),
            iat: 0,
            exp: 600,
        }
    }

    fn key(seed: u8) -> SigningKey {
        SigningKey::new(ed25519_dalek::SigningKey::from_bytes(&[seed; 32]))
    }

    fn keys(seeds: &[u8]) -> KeySet {
        KeySet::new(seeds.iter().map(|seed| key(*seed)).collect()).unwrap()
    }

    #[test]
    fn a_token_is_good_until_it_expires_at_its_own_issuer() {
        let token = sign(&claims(), &key(1)).unwrap();
        let check = |issuer, now| verify(&token, &keys(&[1, 2]), issuer, now);
        assert_eq!(check("https://relay.example", 599).unwrap(), claims());
        assert_eq!(check("https://relay.example", 600), Err(TokenError::Expired));
        assert_eq!(check("https://relay.example/", 0), Err(TokenError::Issuer));
        assert_eq!(verify(&token, &keys(&[2]), "https://relay.example", 0), Err(TokenError::Key));
        assert_eq!(grant_id(&claims()), "g_1");
    }

    #[test]
    fn another_algorithm_or_type_is_no_access_token() {
        let claims = base64url::encode(&serde_json::to_vec(&claims()).unwrap());
        for header in
            [r#"{"alg":"none","typ":"at+jwt","kid":"x"}"#, r#"{"alg":"EdDSA","typ":"JWT","kid":"x"}"#]
        {
            let token = format!("{}.{claims}.{}", base64url::encode(header.as_bytes()), "A".repeat(86));
            assert_eq!(verify_signature(&token, &keys(&[1])), Err(TokenError::Form), "{header}");
        }
    }

    proptest! {
        #[test]
        fn a_token_with_one_other_character_is_refused(at in 0..400usize, other in "[A-Za-z0-9_.-]") {
            let token = sign(&claims(), &key(1)).unwrap();
            let at = at % token.len();
            let mut changed = token.clone();
            changed.replace_range(at..=at, &other);
            prop_assume!(changed != token);
            prop_assert!(verify(&changed, &keys(&[1]), "https://relay.example", 0).is_err());
        }

        #[test]
        fn no_text_makes_the_parser_panic(text in "\\PC{0,200}") {
            prop_assert!(verify(&text, &keys(&[1]), "https://relay.example", 0).is_err());
        }
    }
}
