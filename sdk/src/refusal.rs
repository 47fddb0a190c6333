//! Refused messages: reported to the application, counted by reason, and refused at the relay,
//! which tells their senders.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use protocol::envelope::{MessageId, OpenError};
use protocol::refusal::RefusalReason;
use tokio::sync::broadcast;

/// Refusals that a slow reader may lag behind. The counts are exact anyway.
const REFUSALS_MAX: usize = 256;

/// Why a message was not shown. The set is closed, so that it can label metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DiscardReason {
    /// It was refused, and the relay tells its sender.
    Refused(RefusalReason),
    /// It was processed before: a replay, or a redelivery after a lost acknowledgement.
    Replayed,
    /// An ephemeral message came while the inbox held too many of them.
    NoRoom,
}

impl DiscardReason {
    /// Every reason.
    pub fn all() -> impl Iterator<Item = Self> {
        let refused = RefusalReason::ALL.iter().copied().map(Self::Refused);
        refused.chain([Self::Replayed, Self::NoRoom])
    }

    /// The reason as a snake_case word, for metrics and logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Refused(reason) => reason.as_str(),
            Self::Replayed => "replayed",
            Self::NoRoom => "no_room",
        }
    }
}

/// What the sender is told of a message that cannot be opened.
pub(crate) fn refusal_reason(error: &OpenError) -> RefusalReason {
    match error {
        OpenError::Header(_) | OpenError::Content(_) => RefusalReason::Malformed,
        OpenError::HeaderMismatch(_) => RefusalReason::HeaderMismatch,
        OpenError::UnknownSigningKey(_) | OpenError::Signature(_) => RefusalReason::BadSignature,
        OpenError::NotForUs => RefusalReason::NotForUs,
        OpenError::NotFresh(_) => RefusalReason::NotFresh,
        OpenError::EphemeralKey(_) => RefusalReason::SmallOrderKey,
        OpenError::UnknownEncryptionKey(_) | OpenError::Commitment | OpenError::Body(_) => {
            RefusalReason::Undecryptable
        }
    }
}

/// A refused message. `claimed_from` and `id` are taken from it and not verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    pub claimed_from: String,
    pub id: Option<MessageId>,
    pub reason: DiscardReason,
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
    counts: Mutex<BTreeMap<DiscardReason, u64>>,
    readers: broadcast::Sender<Refusal>,
}

impl RefusalLog {
    pub(crate) fn new() -> Self {
        Self { counts: Mutex::default(), readers: broadcast::channel(REFUSALS_MAX).0 }
    }

    pub(crate) fn record(&self, refusal: Refusal) {
        let (from, reason) = (&refusal.claimed_from, refusal.reason.as_str());
        let id = refusal.id.map(|id| id.to_string()).unwrap_or_default();
        if refusal.reason == DiscardReason::Replayed {
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

    pub(crate) fn counts(&self) -> BTreeMap<DiscardReason, u64> {
        let counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        DiscardReason::all().map(|r| (r, counts.get(&r).copied().unwrap_or(0))).collect()
    }

    pub(crate) fn subscribe(&self) -> Refusals {
        Refusals(self.readers.subscribe())
    }
}
