//! Verifies ID tokens with published example keys, for the fuzz target `tokens`.

use super::id_token::{ExpectedClaims, ProviderKeys, verify};

/// Public keys of RFC 8037 and RFC 7517, one for each algorithm.
const KEYS: &str = r#"{"keys": [
    {"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"},
    {"kty": "RSA", "n": "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw", "e": "AQAB"},
    {"kty": "EC", "crv": "P-256", "x": "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4", "y": "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM"}
]}"#;

/// Whether the token is accepted, which must never happen.
pub(crate) fn accepts(token: &str) -> bool {
    let keys: ProviderKeys = serde_json::from_str(KEYS).unwrap_or_default();
    let expected = ExpectedClaims { issuer: "https://p.example", client_id: "c", nonce: "n" };
    verify(token, &keys, expected, 0).is_ok()
}
