//! The types and reasons of conditions. Each is a closed set.
//!
//! `True` is the normal state of most types. `Suspended`, `Paused`, `DeletionBlocked`, and
//! `Reconciling` and `Stalled` (kstatus) are present only while they are true.

pub use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$word_doc:meta])* $word:ident,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $($(#[$word_doc])* $word,)* }

        impl $name {
            pub const ALL: &[Self] = &[$(Self::$word,)*];

            /// The value in the object.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$word => stringify!($word),)* }
            }
        }
    };
}

words! {
    /// The type of a condition.
    Type {
        /// The spec is valid and the objects it refers to consent.
        Accepted,
        /// Every ready relay replica enforces the current content.
        Programmed,
        /// A relay pod is ready.
        Available,
        /// The serving certificate is valid and not about to expire.
        CertificateReady,
        /// The credentials Secret contains a key that the relay accepts.
        CredentialsReady,
        /// A pod of the Agent's MCP endpoint is ready.
        McpReady,
        /// A pod of the Relay's MCP gateway is ready.
        GatewayReady,
        /// The object is suspended.
        Suspended,
        /// The object has the annotation `msg2agent.xyz/paused`, so the operator leaves it alone.
        Paused,
        /// Summarizes the others. `kubectl wait` uses it.
        Ready,
        /// The deletion waits: other objects still refer to this one, or the relay has not taken
        /// its keys away yet.
        DeletionBlocked,
        /// The operator is working towards the spec (kstatus).
        Reconciling,
        /// The operator waits for somebody to change an object (kstatus).
        Stalled,
    }
}

words! {
    /// The reason for the status of a condition.
    Reason {
        Accepted,
        /// The referent does not exist or does not allow this namespace. Both cases look the same
        /// on purpose.
        RefNotPermitted,
        RelayNotFound,
        TenantNotFound,
        /// The Tenant exists but is not accepted.
        TenantNotAccepted,
        /// Another Tenant of the relay holds the id.
        TenantIdConflict,
        /// Another Agent of the tenant holds the handle.
        HandleConflict,
        /// Other Agents have all places of the Tenant's `agents.max`.
        TooManyAgents,
        /// The spec violates a rule that the API server cannot check, for example that the root key
        /// is an Ed25519 Multikey.
        InvalidSpec,
        /// The relay refused the content.
        Rejected,
        /// The entry at the relay belongs to another object, or to a person with the admin token.
        OwnedByAnother,
        /// The spec would give the agent another DID, which is for good.
        DidChanged,
        /// The Secret with the agent's private keys is gone. A new identity needs consent.
        IdentityLost,
        /// The Secret with the relay's certificate authority is gone. A new one needs consent.
        AuthorityLost,
        /// The Relay's `publicHosts` does not grant the host of `mcp.publicURL` to this agent.
        HostNotAllowed,
        /// Another agent of the relay has the URL of the MCP endpoint.
        UrlTaken,
        /// The operator holds back the removal of many entries at the relay until somebody
        /// confirms it.
        RemovalBlocked,
        /// An update of the operator's own making waits for its turn.
        AwaitingRollout,
        /// The volume cannot grow, for example because its StorageClass does not allow it.
        VolumeNotExpandable,
        /// The operator has not observed enough to say.
        Unknown,
        Programmed,
        /// Some ready relay replicas have not confirmed yet.
        AwaitingReplicas,
        /// No relay replica is ready, or none answers.
        RelayUnavailable,
        MinimumReplicasAvailable,
        MinimumReplicasUnavailable,
        Issued,
        Pending,
        /// A Secret of that name belongs to another owner. It is not changed.
        SecretNameConflict,
        /// A Secret that the spec refers to does not exist.
        SecretNotFound,
        CredentialsIssued,
        /// A new key is staged, and the relay has not confirmed it yet.
        Rotating,
        WorkloadAvailable,
        WorkloadUnavailable,
        /// `spec.suspend` of this object is true.
        SuspendedBySpec,
        /// `spec.suspend` of the Tenant is true.
        SuspendedByTenant,
        Active,
        Ready,
        NotAccepted,
        NotProgrammed,
        CredentialsNotReady,
        CertificateNotReady,
        McpNotReady,
        GatewayNotReady,
        Suspended,
        Paused,
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
