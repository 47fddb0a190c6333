//! Implements suite 1, `x25519-xchacha20poly1305`, the only cipher suite.
//!
//! Each message has a fresh X25519 key. HKDF-SHA256 derives the keys and binds them to the sender,
//! the recipient and the message. XChaCha20-Poly1305 encrypts.

use chacha20poly1305::aead::{Aead as _, Payload};
use chacha20poly1305::{KeyInit as _, XChaCha20Poly1305, XNonce};
use hkdf::Hkdf;
use sha2::Sha256;
use x25519_dalek::{PublicKey, StaticSecret};
use zeroize::{Zeroize, ZeroizeOnDrop};

use super::MessageId;
use crate::Did;
use crate::identity::Kid;

const INFO: &[u8] = b"msg2agent/v1/suite1";

/// The key exchange gave zero, so everybody would know the secret (RFC 7748 section 6.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the X25519 key has small order")]
pub struct LowOrder;

/// The ciphertext, the header or the key is not the one that was used to encrypt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the body does not decrypt")]
pub struct NotAuthentic;

/// What both sides mix into the message's keys, besides the key exchange.
#[derive(Debug, Clone, Copy)]
pub struct Binding<'a> {
    pub from: &'a Did,
    pub to: &'a Did,
    pub skid: &'a Kid,
    pub rkid: &'a Kid,
    pub id: &'a MessageId,
}

/// The pseudo-random key of one message, from which its other keys are derived. Disclosing it
/// proves what this one message said.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct MessagePrk([u8; 32]);

/// The keys of one message.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct MessageKeys {
    key: [u8; 32],
    nonce: [u8; 24],
    /// The commitment to the key, which the header holds.
    pub commit: [u8; 32],
}

/// Computes `HKDF-Extract(salt = epk || recipient key, ikm = DH)`. Both sides get the same key.
///
/// # Errors
/// [`LowOrder`] when the key exchange gives zero.
pub fn extract(
    own: &StaticSecret,
    other: &PublicKey,
    epk: &PublicKey,
    recipient: &PublicKey,
) -> Result<MessagePrk, LowOrder> {
    let shared = own.diffie_hellman(other);
    if !shared.was_contributory() {
        return Err(LowOrder);
    }
    let mut salt = [0; 64];
    let (first, second) = salt.split_at_mut(32);
    first.copy_from_slice(epk.as_bytes());
    second.copy_from_slice(recipient.as_bytes());
    let (prk, _) = Hkdf::<Sha256>::extract(Some(&salt), shared.as_bytes());
    Ok(MessagePrk(prk.into()))
}

impl MessagePrk {
    /// The key that a proof discloses.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes for a proof. Whoever has them can read this one message.
    #[must_use]
    pub fn disclose(&self) -> [u8; 32] {
        self.0
    }

    /// Derives the encryption key, the nonce and the commitment.
    #[must_use]
    pub fn expand(&self, binding: Binding<'_>) -> MessageKeys {
        let mut okm = zeroize::Zeroizing::new([0; 88]);
        if let Ok(hkdf) = Hkdf::<Sha256>::from_prk(&self.0) {
            // 88 bytes are below HKDF's limit of 255 hashes, and a PRK of 32 bytes is long enough:
            // neither can fail.
            let _ = hkdf.expand(&info(binding), okm.as_mut());
        }
        let mut keys = MessageKeys { key: [0; 32], nonce: [0; 24], commit: [0; 32] };
        let (key, rest) = okm.split_at(32);
        let (nonce, commit) = rest.split_at(24);
        keys.key.copy_from_slice(key);
        keys.nonce.copy_from_slice(nonce);
        keys.commit.copy_from_slice(commit);
        keys
    }
}

impl MessageKeys {
    /// Encrypts and authenticates the plaintext together with the header.
    ///
    /// # Errors
    /// [`NotAuthentic`], which never happens for a plaintext within [`crate::limits`].
    pub fn encrypt(&self, protected: &str, plaintext: &[u8]) -> Result<Vec<u8>, NotAuthentic> {
        let payload = Payload { msg: plaintext, aad: protected.as_bytes() };
        self.cipher().encrypt(&self.nonce(), payload).map_err(|_| NotAuthentic)
    }

    /// Decrypts the body and authenticates it together with the header.
    ///
    /// # Errors
    /// [`NotAuthentic`] when the key, the header or the ciphertext is another one.
    pub fn decrypt(&self, protected: &str, body: &[u8]) -> Result<zeroize::Zeroizing<Vec<u8>>, NotAuthentic> {
        let payload = Payload { msg: body, aad: protected.as_bytes() };
        self.cipher().decrypt(&self.nonce(), payload).map(zeroize::Zeroizing::new).map_err(|_| NotAuthentic)
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new(&self.key.into())
    }

    fn nonce(&self) -> XNonce {
        self.nonce.into()
    }
}

fn info(binding: Binding<'_>) -> Vec<u8> {
    let (skid, rkid, id) = (binding.skid.to_string(), binding.rkid.to_string(), binding.id.to_string());
    let mut info = INFO.to_vec();
    for part in [binding.from.as_str(), binding.to.as_str(), &skid, &rkid, &id] {
        // Every part is far below 64 KiB: a DID has at most 400 bytes.
        let length = u16::try_from(part.len()).unwrap_or(u16::MAX);
        info.extend_from_slice(&length.to_be_bytes());
        info.extend_from_slice(part.as_bytes());
    }
    info
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The points of small order on Curve25519 (RFC 7748 section 6.1; cr.yp.to/ecdh.html#validate),
    /// u-coordinates.
    const SMALL_ORDER: [[u8; 32]; 5] = {
        let zero = [0; 32];
        let mut one = [0; 32];
        one[0] = 1;
        let mut minus_one = [0xff; 32];
        minus_one[0] = 0xec;
        minus_one[31] = 0x7f;
        let eight_a = [
            0xe0, 0xeb, 0x7a, 0x7c, 0x3b, 0x41, 0xb8, 0xae, 0x16, 0x56, 0xe3, 0xfa, 0xf1, 0x9f, 0xc4, 0x6a,
            0xda, 0x09, 0x8d, 0xeb, 0x9c, 0x32, 0xb1, 0xfd, 0x86, 0x62, 0x05, 0x16, 0x5f, 0x49, 0xb8, 0x00,
        ];
        let eight_b = [
            0x5f, 0x9c, 0x95, 0xbc, 0xa3, 0x50, 0x8c, 0x24, 0xb1, 0xd0, 0xb1, 0x55, 0x9c, 0x83, 0xef, 0x5b,
            0x04, 0x44, 0x5c, 0xc4, 0x58, 0x1c, 0x8e, 0x86, 0xd8, 0x22, 0x4e, 0xdd, 0xd0, 0x9f, 0x11, 0x57,
        ];
        [zero, one, minus_one, eight_a, eight_b]
    };

    #[test]
    fn no_small_order_key_agrees_on_anything() {
        let own = StaticSecret::from([3; 32]);
        for point in SMALL_ORDER {
            let other = PublicKey::from(point);
            assert_eq!(
                extract(&own, &other, &other, &PublicKey::from(&own)).err(),
                Some(LowOrder),
                "{point:x?}"
            );
        }
    }
}
