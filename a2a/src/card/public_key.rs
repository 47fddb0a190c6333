//! Holds a public key that verifies cards, as a JSON Web Key.

use protocol::base64url;
use ring::signature::{self, RsaPublicKeyComponents, UnparsedPublicKey};
use serde_json::Value;

/// A public key of one of the algorithms that are accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PublicKey {
    Ed25519([u8; 32]),
    /// The uncompressed point of a key on P-256.
    P256(Vec<u8>),
    Rsa {
        modulus: Vec<u8>,
        exponent: Vec<u8>,
    },
}

impl PublicKey {
    /// Reads a JSON Web Key; `None` for one of another kind.
    #[must_use]
    pub fn from_jwk(key: &Value) -> Option<Self> {
        let bytes = |name: &str| base64url::decode(key.get(name)?.as_str()?).ok();
        match (key.get("kty")?.as_str()?, key.get("crv").and_then(Value::as_str)) {
            ("OKP", Some("Ed25519")) => Some(Self::Ed25519(bytes("x")?.try_into().ok()?)),
            ("EC", Some("P-256")) => {
                let (x, y) = (bytes("x")?, bytes("y")?);
                (x.len() == 32 && y.len() == 32).then(|| Self::P256([vec![4], x, y].concat()))
            }
            ("RSA", None) => Some(Self::Rsa { modulus: bytes("n")?, exponent: bytes("e")? }),
            _ => None,
        }
    }

    /// Whether the key, with the algorithm that the signature says, made it.
    pub(super) fn verifies(&self, algorithm: &str, message: &[u8], signed: &[u8]) -> bool {
        match (self, algorithm) {
            (Self::Ed25519(key), "EdDSA" | "Ed25519") => {
                UnparsedPublicKey::new(&signature::ED25519, key).verify(message, signed).is_ok()
            }
            (Self::P256(point), "ES256") => {
                UnparsedPublicKey::new(&signature::ECDSA_P256_SHA256_FIXED, point)
                    .verify(message, signed)
                    .is_ok()
            }
            (Self::Rsa { modulus, exponent }, "RS256") => {
                RsaPublicKeyComponents { n: modulus.as_slice(), e: exponent.as_slice() }
                    .verify(&signature::RSA_PKCS1_2048_8192_SHA256, message, signed)
                    .is_ok()
            }
            _ => false,
        }
    }
}
