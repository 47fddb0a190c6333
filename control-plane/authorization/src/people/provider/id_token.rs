//! Checking an ID token (OpenID Connect Core 3.1.3.7) with ring's signatures. Pure.

use protocol::{UnixSeconds, base64url};
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents, UnparsedPublicKey,
};
use serde::Deserialize;
use subtle::ConstantTimeEq as _;

/// How far the provider's clock may differ from ours.
const SKEW_SECONDS: u64 = 60;
/// Bytes of an ID token; Google's have 1.2 KiB.
const TOKEN_BYTES_MAX: usize = 16 * 1024;

/// Whom the provider vouches for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::oauth) struct Identity {
    pub(in crate::oauth) subject: String,
    /// Only where the provider says that it verified it.
    pub(in crate::oauth) email: Option<String>,
}

#[derive(Debug, Clone, Default, Deserialize)]
pub(super) struct JwkSet {
    keys: Vec<Jwk>,
}

/// The members that keys of our algorithms have; keys of other kinds are passed over.
#[derive(Debug, Clone, Deserialize)]
struct Jwk {
    kid: Option<String>,
    kty: String,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

/// What the token must say.
#[derive(Debug, Clone, Copy)]
pub(super) struct Expected<'a> {
    pub(super) issuer: &'a str,
    pub(super) client_id: &'a str,
    pub(super) nonce: &'a str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(in crate::oauth) enum IdTokenError {
    #[error("not a signed JWT")]
    Form,
    #[error("signed with an algorithm that is not RS256, ES256 or EdDSA")]
    Algorithm,
    #[error("signed with a key that the provider does not publish")]
    UnknownKey,
    #[error("the signature does not verify")]
    Signature,
    #[error("of another issuer")]
    Issuer,
    #[error("for another client")]
    Audience,
    #[error("expired, or from the future")]
    Time,
    #[error("for another sign-in")]
    Nonce,
    #[error("without a subject")]
    Subject,
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
}

#[derive(Deserialize)]
struct Claims {
    iss: String,
    sub: String,
    aud: Audience,
    azp: Option<String>,
    exp: UnixSeconds,
    iat: UnixSeconds,
    nonce: Option<String>,
    email: Option<String>,
    email_verified: Option<Verified>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Many(Vec<String>),
}

/// Some providers write it as a string.
#[derive(Deserialize)]
#[serde(untagged)]
enum Verified {
    Bool(bool),
    Text(String),
}

pub(super) fn verify(
    token: &str,
    keys: &JwkSet,
    expected: Expected<'_>,
    now: UnixSeconds,
) -> Result<Identity, IdTokenError> {
    let claims = verify_signature(token, keys)?;
    if claims.iss != expected.issuer {
        return Err(IdTokenError::Issuer);
    }
    if !is_for(&claims, expected.client_id) {
        return Err(IdTokenError::Audience);
    }
    let ended = claims.exp.saturating_add(SKEW_SECONDS) <= now;
    if ended || claims.iat > now.saturating_add(SKEW_SECONDS) {
        return Err(IdTokenError::Time);
    }
    let nonce = claims.nonce.unwrap_or_default();
    if !bool::from(nonce.as_bytes().ct_eq(expected.nonce.as_bytes())) {
        return Err(IdTokenError::Nonce);
    }
    if claims.sub.is_empty() || claims.sub.len() > 255 {
        return Err(IdTokenError::Subject);
    }
    let verified = match claims.email_verified {
        Some(Verified::Bool(verified)) => verified,
        Some(Verified::Text(text)) => text == "true",
        None => false,
    };
    Ok(Identity { subject: claims.sub, email: claims.email.filter(|_| verified) })
}

fn is_for(claims: &Claims, client_id: &str) -> bool {
    let (named, several) = match &claims.aud {
        Audience::One(one) => (one == client_id, false),
        Audience::Many(many) => (many.iter().any(|it| it == client_id), many.len() > 1),
    };
    match &claims.azp {
        Some(party) => named && party == client_id,
        None => named && !several,
    }
}

fn verify_signature(token: &str, keys: &JwkSet) -> Result<Claims, IdTokenError> {
    if token.len() > TOKEN_BYTES_MAX {
        return Err(IdTokenError::Form);
    }
    let (signed, signature) = token.rsplit_once('.').ok_or(IdTokenError::Form)?;
    let (header, claims) = signed.split_once('.').ok_or(IdTokenError::Form)?;
    let header: Header = part(header)?;
    let signature = base64url::decode(signature).map_err(|_| IdTokenError::Form)?;
    let kind = match header.alg.as_str() {
        "RS256" => "RSA",
        "ES256" => "EC",
        "EdDSA" => "OKP",
        _ => return Err(IdTokenError::Algorithm),
    };
    let fits =
        |key: &&Jwk| key.kty == kind && header.kid.as_ref().is_none_or(|kid| key.kid.as_ref() == Some(kid));
    let mut candidates = keys.keys.iter().filter(fits).peekable();
    if candidates.peek().is_none() {
        return Err(IdTokenError::UnknownKey);
    }
    if !candidates.any(|key| key.verifies(signed.as_bytes(), &signature)) {
        return Err(IdTokenError::Signature);
    }
    part(claims)
}

impl Jwk {
    fn verifies(&self, signed: &[u8], signature: &[u8]) -> bool {
        let bytes = |text: &Option<String>| base64url::decode(text.as_deref()?).ok();
        let verified = match (self.kty.as_str(), self.crv.as_deref()) {
            ("RSA", _) => bytes(&self.n).zip(bytes(&self.e)).map(|(n, e)| {
                RsaPublicKeyComponents { n: &n, e: &e }.verify(&RSA_PKCS1_2048_8192_SHA256, signed, signature)
            }),
            ("EC", Some("P-256")) => bytes(&self.x).zip(bytes(&self.y)).map(|(x, y)| {
                let point = [&[4], x.as_slice(), y.as_slice()].concat();
                UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).verify(signed, signature)
            }),
            ("OKP", Some("Ed25519")) => {
                bytes(&self.x).map(|x| UnparsedPublicKey::new(&ED25519, x).verify(signed, signature))
            }
            _ => None,
        };
        verified.is_some_and(|verified| verified.is_ok())
    }
}

fn part<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, IdTokenError> {
    let json = base64url::decode(text).map_err(|_| IdTokenError::Form)?;
    serde_json::from_slice(&json).map_err(|_| IdTokenError::Form)
}

#[cfg(test)]
mod tests;
