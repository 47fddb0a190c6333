//! Flaws of a client that the simulation must find.

/// One broken rule of `docs/client-behaviour.md`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flaw {
    /// Acknowledges what is written and not synced.
    AcknowledgesBeforeSync,
    /// Counts lines as synced that were written while the sync ran.
    SyncsTooMuch,
    /// Never shows a message again that the application has dropped.
    ForgetsDropped,
    /// Acknowledges what it cannot open.
    AcknowledgesRefused,
    /// Sends acknowledgements before the refusals that they cover.
    RefusesTooLate,
    /// Takes deliveries of old sessions.
    TakesOldEpochs,
    /// Acknowledges to the relay although the disk was full.
    IgnoresFullDisk,
    /// Remembers no processed message over a restart.
    ForgetsProcessed,
    /// Shows a message a second time that the application has.
    ShowsHeld,
    /// Never repeats what a full disk refused.
    NeverRetriesDisk,
    /// Treats what the application rejects as processed.
    AcknowledgesRejected,
}

impl Flaw {
    pub(crate) const ALL: [Self; 11] = [
        Self::AcknowledgesBeforeSync,
        Self::SyncsTooMuch,
        Self::ForgetsDropped,
        Self::AcknowledgesRefused,
        Self::RefusesTooLate,
        Self::TakesOldEpochs,
        Self::IgnoresFullDisk,
        Self::ForgetsProcessed,
        Self::ShowsHeld,
        Self::NeverRetriesDisk,
        Self::AcknowledgesRejected,
    ];
}
