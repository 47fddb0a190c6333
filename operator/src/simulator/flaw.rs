//! Flaws between the operator and its models: bugs that a run can contain, each of which breaks one
//! invariant.

/// A planted flaw.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flaw {
    /// A credentials Secret is written without the relay's authorities.
    StrippedMember,
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
}

impl Flaw {
    pub(crate) const ALL: [Self; 10] = [
        Self::StrippedMember,
        Self::OverwrittenSecret,
        Self::SharedLease,
        Self::IgnoredConsent,
        Self::ForgottenTerm,
        Self::EarlyAcknowledgement,
        Self::LostSuspension,
        Self::ForgottenDeletion,
        Self::SkippedStatus,
        Self::RestlessStatus,
    ];

    /// The invariants that it breaks.
    pub(crate) const fn breaks(self) -> &'static [&'static str] {
        match self {
            Self::StrippedMember => &["secret members"],
            Self::OverwrittenSecret => &["foreign secrets"],
            Self::SharedLease => &["fencing"],
            Self::IgnoredConsent => &["convergence", "owners"],
            Self::ForgottenTerm => &["terms"],
            Self::EarlyAcknowledgement => &["ready"],
            Self::LostSuspension | Self::ForgottenDeletion => &["revocation"],
            Self::SkippedStatus => &["convergence"],
            Self::RestlessStatus => &["restart"],
        }
    }
}
