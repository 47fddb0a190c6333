//! Flaws between the operator and its models: bugs that a run can contain, each of which breaks one
//! invariant.

use super::checks::Invariant;

/// A planted flaw.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flaw {
    /// A credentials Secret is written without the relay's authorities.
    StrippedMember,
    /// A credentials Secret is written without the keys whose overlap lasts.
    ForgottenOverlap,
    /// A Secret of somebody else is overwritten instead of refused.
    OverwrittenSecret,
    /// Two replicas lead: a lease that somebody else took counts as renewed.
    SharedLease,
    /// Every namespace counts as admitted.
    IgnoredConsent,
    /// Writes to relays carry no term.
    ForgottenTerm,
    /// A write to a relay counts as acknowledged before its answer, whatever happens to it.
    EarlyAcknowledgement,
    /// Suspensions do not reach the relay.
    LostSuspension,
    /// Watches do not tell of deletions.
    ForgottenDeletion,
    /// A status counts as written when it is compared with a cache.
    SkippedStatus,
    /// A status names the process that wrote it.
    RestlessStatus,
    /// The root key in the status of an Agent is not read.
    ForgottenRootKey,
    /// The authority in the status of a Relay is not read.
    ForgottenAuthority,
    /// Every removal counts as confirmed.
    ForgedConfirmation,
    /// The annotation that pauses an object is not read.
    IgnoredPause,
    /// A write takes every entry over from whoever owns it.
    StolenEntry,
    /// Watches do not tell of changes of children.
    UnseenDrift,
    /// Entries look different in every listing of a relay.
    WrongDigest,
    /// A relay that cannot be decoded counts as deleted.
    MissingWhenUndecodable,
}

impl Flaw {
    pub(crate) const ALL: [Self; 19] = [
        Self::StrippedMember,
        Self::ForgottenOverlap,
        Self::OverwrittenSecret,
        Self::SharedLease,
        Self::IgnoredConsent,
        Self::ForgottenTerm,
        Self::EarlyAcknowledgement,
        Self::LostSuspension,
        Self::ForgottenDeletion,
        Self::SkippedStatus,
        Self::RestlessStatus,
        Self::ForgottenRootKey,
        Self::ForgottenAuthority,
        Self::ForgedConfirmation,
        Self::IgnoredPause,
        Self::StolenEntry,
        Self::UnseenDrift,
        Self::WrongDigest,
        Self::MissingWhenUndecodable,
    ];

    /// The invariant that it breaks.
    pub(crate) const fn breaks(self) -> Invariant {
        match self {
            Self::StrippedMember => Invariant::SecretMembers,
            Self::ForgottenOverlap => Invariant::KeptOverlaps,
            Self::OverwrittenSecret => Invariant::ForeignSecrets,
            Self::SharedLease => Invariant::Fencing,
            Self::IgnoredConsent => Invariant::EntryOwners,
            Self::ForgottenTerm => Invariant::Terms,
            Self::EarlyAcknowledgement => Invariant::ProgrammedBeforeReady,
            Self::LostSuspension | Self::ForgottenDeletion => Invariant::Revocation,
            Self::SkippedStatus => Invariant::Convergence,
            Self::RestlessStatus => Invariant::UnchangedByRestart,
            Self::ForgottenRootKey => Invariant::ConfirmedIdentities,
            Self::ForgottenAuthority => Invariant::ConfirmedAuthorities,
            Self::ForgedConfirmation => Invariant::ConfirmedRemovals,
            Self::IgnoredPause => Invariant::PauseRespected,
            Self::StolenEntry => Invariant::PeoplesEntries,
            Self::UnseenDrift => Invariant::ChildrenRestored,
            Self::WrongDigest => Invariant::QuietWhenIdle,
            Self::MissingWhenUndecodable => Invariant::UndecodableKept,
        }
    }
}
