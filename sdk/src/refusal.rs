//! Messages that arrived and were not let in: named, counted, and out of the way of the ones behind them.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use protocol::envelope::{MessageId, OpenError};
use tokio::sync::broadcast;

/// Refusals a slow reader may be behind; the counts are exact anyway.
const REFUSALS_MAX: usize = 256;

/// Why a message was refused. A closed set, fit for metric labels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RefusalReason {
    /// Not an envelope of this protocol.
    Malformed,
    /// Outer members that contradict the signed header.
    HeaderMismatch,
    /// The relay knows no such sender (any more).
    UnknownSender,
    /// The sender's record does not verify.
    BadRecord,
    /// The sender shows another root key than before.
    KeyChanged,
    /// No signing key of the sender made the signature.
    BadSignature,
    /// Addressed to another agent.
    NotForUs,
    /// Too old, or from the future.
    NotFresh,
    /// Encrypted to a key this agent does not hold, or not decryptable.
    Undecryptable,
    /// An ephemeral key with which anybody could decrypt.
    SmallOrderKey,
    /// A message that was processed before, sent again by somebody; also what an honest relay delivers again after an
    /// acknowledgement was lost.
    Replayed,
    /// An answer from an agent that was not asked.
    WrongResponder,
    /// An ephemeral message that found no room; it was never promised.
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

/// One refused message. `claimed_from` and `id` are what it claimed; nothing about them is verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    pub claimed_from: String,
    pub id: Option<MessageId>,
    pub reason: RefusalReason,
}

/// Refusals as they come, from the moment [`crate::Agent::refusals`] was called.
pub struct Refusals(broadcast::Receiver<Refusal>);

impl Refusals {
    /// The next refusal; `None` once the agent has ended.
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

/// The agent's side: counts and readers.
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
            // Every reconnect after a lost acknowledgement brings some.
            tracing::debug!(message.id = id, message.from = from, "a processed message came again");
        } else {
            tracing::warn!(
                message.id = id,
                message.from = from,
                refusal.reason = reason,
                "a message was refused"
            );
        }
        *self.counts.lock().unwrap_or_else(PoisonError::into_inner).entry(refusal.reason).or_default() += 1;
        // Nobody has to listen.
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
