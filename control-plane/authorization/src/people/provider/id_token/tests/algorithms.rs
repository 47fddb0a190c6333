//! Tests of ID tokens signed with ES256 and RS256, which most providers use.

use proptest::prelude::*;
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair,
};
use serde_json::{Value, json};

use super::*;

/// A 2048-bit RSA key for these tests only: `openssl genpkey -algorithm RSA`, as PKCS#8 in DER.
const RSA_KEY: &[u8] = include_bytes!("../rsa_test_key.der");

type Sign = dyn Fn(&[u8]) -> Vec<u8>;

/// A key of a provider.
struct Signing {
    algorithm: &'static str,
    jwk: Value,
    sign: Box<Sign>,
}

impl Signing {
    fn es256() -> Self {
        let random = SystemRandom::new();
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
        let pair =
            EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8.as_ref(), &random).unwrap();
        // 0x04, x and y.
        let (x, y) = pair.public_key().as_ref()[1..].split_at(32);
        let (x, y) = (base64url::encode(x), base64url::encode(y));
        let jwk = json!({"kty": "EC", "crv": "P-256", "kid": "ec", "x": x, "y": y});
        let sign = move |text: &[u8]| pair.sign(&SystemRandom::new(), text).unwrap().as_ref().to_vec();
        Self { algorithm: "ES256", jwk, sign: Box::new(sign) }
    }

    fn rs256() -> Self {
        let pair = RsaKeyPair::from_pkcs8(RSA_KEY).unwrap();
        let public: RsaPublicKeyComponents<Vec<u8>> = pair.public().into();
        let (n, e) = (base64url::encode(&public.n), base64url::encode(&public.e));
        let jwk = json!({"kty": "RSA", "kid": "rsa", "n": n, "e": e});
        let sign = move |text: &[u8]| {
            let mut signature = vec![0; pair.public().modulus_len()];
            pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), text, &mut signature).unwrap();
            signature
        };
        Self { algorithm: "RS256", jwk, sign: Box::new(sign) }
    }

    fn token(&self) -> String {
        signed_by(&json!({"alg": self.algorithm, "kid": self.jwk["kid"]}), &claims(), &self.sign)
    }

    fn keys(&self) -> ProviderKeys {
        serde_json::from_value(json!({"keys": [self.jwk]})).unwrap()
    }
}

fn verified(token: &str, keys: &ProviderKeys) -> Result<Identity, IdTokenError> {
    verify(token, keys, EXPECTED, 600)
}

#[test]
fn a_token_signed_with_es256_or_rs256_is_verified_by_its_own_key_only() {
    for (signing, other) in [(Signing::es256(), Signing::es256()), (Signing::rs256(), Signing::es256())] {
        let token = signing.token();
        assert_eq!(verified(&token, &signing.keys()).unwrap().subject, "s", "{}", signing.algorithm);
        let mut impostor = other.jwk.clone();
        impostor["kid"] = signing.jwk["kid"].clone();
        let keys = serde_json::from_value(json!({"keys": [impostor]})).unwrap();
        let expected =
            if signing.algorithm == "RS256" { IdTokenError::UnknownKey } else { IdTokenError::Signature };
        assert_eq!(verified(&token, &keys), Err(expected));
    }
}

#[test]
fn a_signature_is_not_taken_under_another_algorithm() {
    let (ec, rsa) = (Signing::es256(), Signing::rs256());
    let keys = serde_json::from_value(json!({"keys": [ec.jwk, rsa.jwk]})).unwrap();
    for (algorithm, kid, signing) in [("RS256", "rsa", &ec), ("ES256", "ec", &rsa)] {
        let token = signed_by(&json!({"alg": algorithm, "kid": kid}), &claims(), &signing.sign);
        assert_eq!(verified(&token, &keys), Err(IdTokenError::Signature));
    }
    // A key of another type with the kid of the token is ignored.
    let token = signed_by(&json!({"alg": "RS256", "kid": "ec"}), &claims(), &rsa.sign);
    assert_eq!(verified(&token, &keys), Err(IdTokenError::UnknownKey));
}

#[test]
fn an_es256_signature_in_the_form_of_certificates_is_refused() {
    let ec = Signing::es256();
    let as_asn1 = |text: &[u8]| {
        let fixed = (ec.sign)(text);
        let integer = |half: &[u8]| [&[2, 33, 0], half].concat();
        let (r, s) = fixed.split_at(32);
        [&[48, 70][..], &integer(r), &integer(s)].concat()
    };
    let token = signed_by(&json!({"alg": "ES256", "kid": "ec"}), &claims(), as_asn1);
    assert_eq!(verified(&token, &ec.keys()), Err(IdTokenError::Signature));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_token_with_one_other_bit_is_refused(at in 0..2000usize, bit in 0..7u8, rsa: bool) {
        let signing = if rsa { Signing::rs256() } else { Signing::es256() };
        let mut bytes = signing.token().into_bytes();
        let at = at % bytes.len();
        bytes[at] ^= 1 << bit;
        if let Ok(changed) = String::from_utf8(bytes) {
            prop_assert!(verified(&changed, &signing.keys()).is_err());
        }
    }
}
