//! The vocabulary of conditions: one closed list of types and one of reasons. Positive words; `Reconciling` and `Stalled`
//! (kstatus) and `DeletionBlocked` are present only while they are true.

pub use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$word_doc:meta])* $word:ident,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $($(#[$word_doc])* $word,)* }

        impl $name {
            pub const ALL: &[Self] = &[$(Self::$word,)*];

            /// The word as it stands in the object.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$word => stringify!($word),)* }
            }
        }
    };
}

words! {
    /// What a condition is about.
    Type {
        /// The spec is valid and the objects it refers to consent.
        Accepted,
        /// Every ready relay replica applies the current content.
        Programmed,
        /// The relay's pods serve.
        Available,
        /// The serving certificate is usable and not about to expire.
        CertificateReady,
        /// The credentials Secret exists and is the one the relay knows.
        CredentialsReady,
        /// The MCP endpoint of an Agent, or the gateway of a Relay, serves.
        McpReady,
        /// An administrator stopped the object.
        Suspended,
        /// Roll-up of all others: what `kubectl wait` uses.
        Ready,
        /// Other objects still refer to this one, so its deletion waits.
        DeletionBlocked,
        /// Work is in progress (kstatus).
        Reconciling,
        /// Nothing more happens until somebody edits something (kstatus).
        Stalled,
    }
}

words! {
    /// Why a condition has its status.
    Reason {
        Accepted,
        /// The object referred to does not exist, or does not admit this namespace; the two look alike on purpose.
        RefNotPermitted,
        RelayNotFound,
        TenantNotFound,
        /// The Tenant is there but itself not accepted.
        TenantNotAccepted,
        /// An older Tenant of the relay has the id.
        TenantIdConflict,
        /// An older Agent of the tenant has the handle.
        HandleConflict,
        /// The Tenant's `agents.max` is reached by older Agents.
        TooManyAgents,
        /// A rule that the API server cannot check is broken, for example a root key that is no Ed25519 Multikey.
        InvalidSpec,
        /// The relay refused the content.
        Rejected,
        Programmed,
        /// Not every ready relay replica has confirmed yet.
        AwaitingReplicas,
        /// No relay replica is ready or answers.
        RelayUnavailable,
        MinimumReplicasAvailable,
        MinimumReplicasUnavailable,
        Issued,
        Pending,
        /// A Secret of that name exists and is not ours; it is not touched.
        SecretNameConflict,
        /// A Secret that the spec names is not there.
        SecretNotFound,
        CredentialsIssued,
        /// A new key is staged, the relay has not confirmed it yet.
        Rotating,
        WorkloadAvailable,
        WorkloadUnavailable,
        /// `suspend: true` on this object.
        SuspendedBySpec,
        /// `suspend: true` on the Tenant.
        SuspendedByTenant,
        Active,
        Ready,
        NotAccepted,
        NotProgrammed,
        CredentialsNotReady,
        CertificateNotReady,
        McpNotReady,
        Suspended,
        InUse,
        Progressing,
        Terminating,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_fit_the_pattern_that_the_api_server_asks_of_reasons() {
        for word in Reason::ALL.iter().map(|r| r.as_str()).chain(Type::ALL.iter().map(|t| t.as_str())) {
            assert!(word.starts_with(|c: char| c.is_ascii_uppercase()), "{word}");
            assert!(word.bytes().all(|b| b.is_ascii_alphanumeric()), "{word}");
        }
    }
}
