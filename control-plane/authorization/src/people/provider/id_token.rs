//! Verifies ID tokens (OpenID Connect Core 3.1.3.7). Pure.

use protocol::{UnixSeconds, base64url};
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents, UnparsedPublicKey,
};
use serde::Deserialize;
use subtle::ConstantTimeEq as _;

/// How far the provider's clock may differ from the relay's.
const CLOCK_SKEW_GRACE_SECONDS: u64 = 60;
/// The longest ID token, in bytes; Google's have 1.2 KiB.
const ID_TOKEN_BYTES_MAX: usize = 16 * 1024;

/// The person that the provider authenticated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) subject: String,
    /// The e-mail address, only if the provider verified it.
    pub(crate) email: Option<String>,
}

/// The signing keys that the provider publishes.
#[derive(Debug, Clone, Default, Deserialize)]
pub(crate) struct ProviderKeys {
    keys: Vec<ProviderJwk>,
}

/// The members of keys for the supported algorithms. Other keys are ignored.
#[derive(Debug, Clone, Deserialize)]
struct ProviderJwk {
    kid: Option<String>,
    kty: String,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

/// The values that the token must have.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ExpectedClaims<'a> {
    pub(crate) issuer: &'a str,
    pub(crate) client_id: &'a str,
    pub(crate) nonce: &'a str,
}

/// Why an ID token was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum IdTokenError {
    #[error("it is not a signed JWT")]
    Form,
    #[error("its algorithm is not RS256, ES256 or EdDSA")]
    Algorithm,
    #[error("it is signed with a key that the provider does not publish")]
    UnknownKey,
    #[error("its signature is wrong")]
    Signature,
    #[error("it is from another issuer")]
    Issuer,
    #[error("it is for another client")]
    Audience,
    #[error("it has expired or was issued in the future")]
    Time,
    #[error("it belongs to another sign-in")]
    Nonce,
    #[error("it has no subject")]
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

/// Some providers write the boolean as a string.
#[derive(Deserialize)]
#[serde(untagged)]
enum Verified {
    Bool(bool),
    Text(String),
}

/// The identity in a token that is signed by one of these keys and has these claims.
pub(crate) fn verify(
    token: &str,
    keys: &ProviderKeys,
    expected: ExpectedClaims<'_>,
    now: UnixSeconds,
) -> Result<Identity, IdTokenError> {
    let claims = verify_signature(token, keys)?;
    if claims.iss != expected.issuer {
        return Err(IdTokenError::Issuer);
    }
    if !has_audience(&claims, expected.client_id) {
        return Err(IdTokenError::Audience);
    }
    let expired = claims.exp.saturating_add(CLOCK_SKEW_GRACE_SECONDS) <= now;
    if expired || claims.iat > now.saturating_add(CLOCK_SKEW_GRACE_SECONDS) {
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

fn has_audience(claims: &Claims, client_id: &str) -> bool {
    let (named, several) = match &claims.aud {
        Audience::One(one) => (one == client_id, false),
        Audience::Many(many) => (many.iter().any(|it| it == client_id), many.len() > 1),
    };
    match &claims.azp {
        Some(party) => named && party == client_id,
        None => named && !several,
    }
}

fn verify_signature(token: &str, keys: &ProviderKeys) -> Result<Claims, IdTokenError> {
    if token.len() > ID_TOKEN_BYTES_MAX {
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
    let fits = |key: &&ProviderJwk| {
        key.kty == kind && header.kid.as_ref().is_none_or(|kid| key.kid.as_ref() == Some(kid))
    };
    let mut candidates = keys.keys.iter().filter(fits).peekable();
    if candidates.peek().is_none() {
        return Err(IdTokenError::UnknownKey);
    }
    if !candidates.any(|key| key.verifies(signed.as_bytes(), &signature)) {
        return Err(IdTokenError::Signature);
    }
    part(claims)
}

impl ProviderJwk {
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
