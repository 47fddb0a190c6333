//! Seals an envelope: derives the keys, encrypts the content and signs the header with the
//! ciphertext.

use rand_core::CryptoRng;
use x25519_dalek::{PublicKey, StaticSecret};

use super::content::ContentError;
use super::header::{HeaderError, Suite};
use super::suite1::{Binding, LowOrder, MessagePrk, NotAuthentic, extract};
use super::{Class, Content, Envelope, Header, MessageId, MessageType};
use crate::identity::{Identity, Kid};
use crate::limits::{ENVELOPE_BYTES_MAX, MAX_TTL_SECONDS};
use crate::signature::{Context, sign};
use crate::{Did, UnixSeconds, base64url};

/// A message before it is sealed.
#[derive(Debug, Clone, PartialEq)]
pub struct Draft {
    pub to: Did,
    pub id: MessageId,
    pub class: Class,
    pub r#type: MessageType,
    pub thread: Option<String>,
    pub re: Option<MessageId>,
    /// For reliable messages only: seconds until it expires, at most [`MAX_TTL_SECONDS`].
    pub ttl: Option<u64>,
    pub content: Content,
}

/// An envelope, with the message key that a [proof](crate::proof) may disclose.
pub struct Sealed {
    pub envelope: Envelope,
    pub prk: MessagePrk,
}

/// Why a draft was not sealed.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    #[error("the identity holds no signing key")]
    NoSigningKey,
    #[error("the ttl is longer than {MAX_TTL_SECONDS} seconds")]
    Ttl,
    #[error("the header cannot be written")]
    Header(#[source] HeaderError),
    #[error("the content cannot be written")]
    Content(#[source] ContentError),
    #[error("the recipient's encryption key cannot be used")]
    RecipientKey(#[source] LowOrder),
    #[error("the content cannot be encrypted")]
    Encrypt(#[source] NotAuthentic),
    #[error("the envelope would exceed {ENVELOPE_BYTES_MAX} bytes; send less, or send it in parts")]
    TooLong,
}

/// Encrypts `draft` to `recipient`, a key of the recipient's verified record, and signs it as
/// `sender`. `now` becomes the signed time.
///
/// # Errors
/// The draft exceeds a limit, or the recipient's key has small order.
pub fn seal(
    draft: Draft,
    sender: &Identity,
    recipient: (&Kid, &PublicKey),
    now: UnixSeconds,
    rng: &mut impl CryptoRng,
) -> Result<Sealed, SealError> {
    if draft.ttl.is_some_and(|ttl| ttl > MAX_TTL_SECONDS) {
        return Err(SealError::Ttl);
    }
    let signing = sender.current_signing().ok_or(SealError::NoSigningKey)?;
    let (rkid, recipient_key) = recipient;
    let ephemeral = ephemeral(rng);
    let epk = PublicKey::from(&ephemeral);
    let prk = extract(&ephemeral, recipient_key, &epk, recipient_key).map_err(SealError::RecipientKey)?;
    let binding = Binding { from: sender.did(), to: &draft.to, skid: &signing.kid, rkid, id: &draft.id };
    let keys = prk.expand(binding);
    let header = header(&draft, sender.did(), (&signing.kid, rkid), now, (epk.to_bytes(), keys.commit));
    header.check().map_err(SealError::Header)?;
    let json = serde_json::to_vec(&header).map_err(|e| SealError::Header(HeaderError::Shape(e)))?;
    let protected = base64url::encode(&json);
    let plaintext = draft.content.to_plaintext().map_err(SealError::Content)?;
    let body = base64url::encode(&keys.encrypt(&protected, &plaintext).map_err(SealError::Encrypt)?);
    if protected.len() + body.len() > ENVELOPE_BYTES_MAX - 2048 {
        return Err(SealError::TooLong);
    }
    let input = [protected.as_bytes(), b".", body.as_bytes()];
    let signature = base64url::encode(&sign(&signing.key, Context::Envelope, &input));
    let Header { to, from, id, class, ttl, .. } = header;
    Ok(Sealed { envelope: Envelope { to, from, id, class, ttl, protected, body, signature }, prk })
}

fn ephemeral(rng: &mut impl CryptoRng) -> StaticSecret {
    let mut seed = zeroize::Zeroizing::new([0; 32]);
    rng.fill_bytes(seed.as_mut());
    StaticSecret::from(*seed)
}

fn header(
    draft: &Draft,
    from: &Did,
    (skid, rkid): (&Kid, &Kid),
    time: UnixSeconds,
    (epk, commit): ([u8; 32], [u8; 32]),
) -> Header {
    Header {
        suite: Suite::X25519XChaCha20Poly1305,
        id: draft.id,
        from: from.clone(),
        to: draft.to.clone(),
        class: draft.class,
        r#type: draft.r#type,
        thread: draft.thread.clone(),
        re: draft.re,
        time,
        ttl: match draft.class {
            Class::Reliable => Some(draft.ttl.unwrap_or(MAX_TTL_SECONDS)),
            Class::Ephemeral => draft.ttl,
        },
        skid: skid.clone(),
        rkid: rkid.clone(),
        epk,
        commit,
    }
}
