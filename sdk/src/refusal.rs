//! Refused messages: reported to the application, counted by reason, and settled at the relay.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use protocol::envelope::{MessageId, OpenError};
use tokio::sync::broadcast;

/// Refusals that a slow reader may lag behind. The counts are exact anyway.
const REFUSALS_MAX: usize = 256;

/// The reason why a message was refused. The set is closed, so that it can label metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RefusalReason {
    /// It is not an envelope of this protocol.
    Malformed,
    /// Outer members contradict the signed header.
    HeaderMismatch,
    /// The relay does not know the sender.
    UnknownSender,
    /// The sender's record does not verify.
    BadRecord,
    /// The sender's root key differs from the pinned one.
    KeyChanged,
    /// The signature does not verify with a signing key of the sender.
    BadSignature,
    /// It is addressed to another agent.
    NotForUs,
    /// Its time is too old, or in the future.
    NotFresh,
    /// It is encrypted with another key, or cannot be decrypted.
    Undecryptable,
    /// Its ephemeral key has a small order, with which anybody could decrypt it.
    SmallOrderKey,
    /// It was processed before: a replay, or a redelivery after a lost acknowledgement.
    Replayed,
    /// It answers a request that was sent to another agent.
    WrongResponder,
    /// An ephemeral message came while the inbox held too many of them.
    NoRoom,
}

impl RefusalReason {
    pub const ALL: [Self; 13] = [
        Self::Malformed,
        Self::HeaderMismatch,
        Self::UnknownSender,
        Self::BadRecord,
        Self::KeyChanged,
        Self::BadSignature,
        Self::NotForUs,
        Self::NotFresh,
        Self::Undecryptable,
        Self::SmallOrderKey,
        Self::Replayed,
        Self::WrongResponder,
        Self::NoRoom,
    ];

    /// The reason as a snake_case word, for metrics and logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::HeaderMismatch => "header_mismatch",
            Self::UnknownSender => "unknown_sender",
            Self::BadRecord => "bad_record",
            Self::KeyChanged => "key_changed",
            Self::BadSignature => "bad_signature",
            Self::NotForUs => "not_for_us",
            Self::NotFresh => "not_fresh",
            Self::Undecryptable => "undecryptable",
            Self::SmallOrderKey => "small_order_key",
            Self::Replayed => "replayed",
            Self::WrongResponder => "wrong_responder",
            Self::NoRoom => "no_room",
        }
    }
}

impl From<&OpenError> for RefusalReason {
    fn from(error: &OpenError) -> Self {
        match error {
            OpenError::Header(_) | OpenError::Content(_) => Self::Malformed,
            OpenError::HeaderMismatch(_) => Self::HeaderMismatch,
            OpenError::UnknownSigningKey(_) | OpenError::Signature(_) => Self::BadSignature,
            OpenError::NotForUs => Self::NotForUs,
            OpenError::NotFresh(_) => Self::NotFresh,
            OpenError::EphemeralKey(_) => Self::SmallOrderKey,
            OpenError::UnknownEncryptionKey(_) | OpenError::Commitment | OpenError::Body(_) => {
                Self::Undecryptable
            }
        }
    }
}

/// A refused message. `claimed_from` and `id` are taken from it and not verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    pub claimed_from: String,
    pub id: Option<MessageId>,
    pub reason: RefusalReason,
}

/// The refusals since [`Agent::refusals`](crate::Agent::refusals) was called.
pub struct Refusals(broadcast::Receiver<Refusal>);

impl Refusals {
    /// Waits for the next refusal; `None` once the agent has ended.
    pub async fn next(&mut self) -> Option<Refusal> {
        loop {
            match self.0.recv().await {
                Ok(refusal) => return Some(refusal),
                Err(broadcast::error::RecvError::Lagged(_)) => {}
                Err(broadcast::error::RecvError::Closed) => return None,
            }
        }
    }
}

/// Counts refusals and reports them to readers.
pub(crate) struct RefusalLog {
    counts: Mutex<BTreeMap<RefusalReason, u64>>,
    readers: broadcast::Sender<Refusal>,
}

impl RefusalLog {
    pub(crate) fn new() -> Self {
        Self { counts: Mutex::default(), readers: broadcast::channel(REFUSALS_MAX).0 }
    }

    pub(crate) fn record(&self, refusal: Refusal) {
        let (from, reason) = (&refusal.claimed_from, refusal.reason.as_str());
        let id = refusal.id.map(|id| id.to_string()).unwrap_or_default();
        if refusal.reason == RefusalReason::Replayed {
            // They are common after a reconnect that lost an acknowledgement.
            tracing::debug!(message.id = id, message.from = from, "refused a duplicate message");
        } else {
            tracing::warn!(
                message.id = id,
                message.from = from,
                refusal.reason = reason,
                "refused a message"
            );
        }
        *self.counts.lock().unwrap_or_else(PoisonError::into_inner).entry(refusal.reason).or_default() += 1;
        // There may be no reader.
        let _ = self.readers.send(refusal);
    }

    pub(crate) fn counts(&self) -> BTreeMap<RefusalReason, u64> {
        let counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        RefusalReason::ALL.into_iter().map(|r| (r, counts.get(&r).copied().unwrap_or(0))).collect()
    }

    pub(crate) fn subscribe(&self) -> Refusals {
        Refusals(self.readers.subscribe())
    }
}
