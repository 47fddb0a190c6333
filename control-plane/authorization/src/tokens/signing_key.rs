//! Ed25519 keys that sign access tokens, and the JSON Web Key Set of their public keys (RFC 7517,
//! RFC 8037).

use protocol::base64url;
use serde::Serialize;
use sha2::{Digest as _, Sha256};

/// An Ed25519 key and its id. It has no `Debug`, because it is secret.
#[derive(Clone)]
pub(crate) struct SigningKey {
    secret: ed25519_dalek::SigningKey,
    kid: String,
}

/// A non-empty set of keys; the last one signs.
#[derive(Clone)]
pub(crate) struct KeySet(Vec<SigningKey>);

/// The public keys, as `/oauth/jwks` publishes them.
#[derive(Debug, Serialize)]
pub(crate) struct PublicKeySet {
    keys: Vec<Jwk>,
}

#[derive(Debug, Serialize)]
struct Jwk {
    kty: &'static str,
    crv: &'static str,
    x: String,
    kid: String,
    alg: &'static str,
    r#use: &'static str,
}

impl SigningKey {
    pub(crate) fn new(secret: ed25519_dalek::SigningKey) -> Self {
        let kid = thumbprint(&base64url::encode(secret.verifying_key().as_bytes()));
        Self { secret, kid }
    }

    /// The RFC 7638 thumbprint of the public key.
    pub(crate) fn kid(&self) -> &str {
        &self.kid
    }

    pub(crate) const fn secret(&self) -> &ed25519_dalek::SigningKey {
        &self.secret
    }
}

impl KeySet {
    /// `None` if there is no key.
    pub(crate) fn new(keys: Vec<SigningKey>) -> Option<Self> {
        (!keys.is_empty()).then_some(Self(keys))
    }

    /// The key that signs.
    pub(crate) fn active(&self) -> Option<&SigningKey> {
        self.0.last()
    }

    /// The key with this id.
    pub(crate) fn find(&self, kid: &str) -> Option<&SigningKey> {
        self.0.iter().find(|key| key.kid == kid)
    }

    /// The ids in their order. Two sets with the same ids have the same keys.
    pub(crate) fn ids(&self) -> Vec<&str> {
        self.0.iter().map(SigningKey::kid).collect()
    }

    pub(crate) fn public(&self) -> PublicKeySet {
        let jwk = |key: &SigningKey| Jwk {
            kty: "OKP",
            crv: "Ed25519",
            x: base64url::encode(key.secret.verifying_key().as_bytes()),
            kid: key.kid.clone(),
            alg: "EdDSA",
            r#use: "sig",
        };
        PublicKeySet { keys: self.0.iter().map(jwk).collect() }
    }
}

/// The thumbprint of RFC 7638 section 3.2: the required members in lexicographic order, without
/// white space.
fn thumbprint(x: &str) -> String {
    let canonical = format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#);
    base64url::encode(&Sha256::digest(canonical))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_thumbprint_is_that_of_rfc_8037() {
        assert_eq!(
            thumbprint("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"),
            "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"
        );
    }

    #[test]
    fn the_published_set_holds_no_secret() {
        let secret = ed25519_dalek::SigningKey::from_bytes(&[7; 32]);
        let set = KeySet::new(vec![SigningKey::new(secret)]).unwrap();
        let json = serde_json::to_string(&set.public()).unwrap();
        assert!(!json.contains(&base64url::encode(&[7; 32])) && !json.contains("\"d\""), "{json}");
    }
}
