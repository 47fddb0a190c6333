//! Errors of a reconcile. Their category is a label of a metric and decides about the retry.

use daemon::error_chain;

use crate::certificate::CertificateError;
use crate::relay_api::RelayError;

/// The kind of a failure: the label `category` of `msg2agent_operator_reconcile_failures_total`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Category {
    /// The object changed since it was read.
    Conflict,
    /// The relay did not answer or refused.
    Relay,
    /// The API server did not answer or refused.
    Cluster,
    /// An object of another owner has the name. Somebody has to change an object.
    Terminal,
    /// It took too long.
    Timeout,
    /// A fault of the operator or of its machine.
    Internal,
}

impl Category {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Conflict => "conflict",
            Self::Relay => "relay",
            Self::Cluster => "cluster",
            Self::Terminal => "terminal",
            Self::Timeout => "timeout",
            Self::Internal => "internal",
        }
    }
}

/// Why a reconcile failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("failed to {attempt}")]
    Cluster { attempt: String, source: Box<kube::Error> },
    #[error("failed to grow PersistentVolumeClaim {claim} to {size}")]
    GrowVolume { claim: String, size: String, source: Box<kube::Error> },
    #[error("{kind} {name} exists and belongs to another owner; it is not changed")]
    NameTaken { kind: String, name: String },
    #[error("failed to write to the relay")]
    Relay(#[from] RelayError),
    #[error("Relay {0} has no ready replica")]
    NoReplica(String),
    #[error("failed to create a certificate")]
    Certificate(#[from] CertificateError),
    #[error("failed to generate a key for signing tokens")]
    MakeSigningKey(#[source] ed25519_dalek::pkcs8::Error),
    #[error(
        "Secret {secret} with the certificate authority {fingerprint} is gone or was changed; restore it, or \
         set the annotation {} to that fingerprint to make a new one",
        crds::label::CONFIRM_NEW_AUTHORITY
    )]
    AuthorityLost { secret: String, fingerprint: String },
    #[error("failed to read the {what} in Secret {secret}")]
    SecretContent { what: &'static str, secret: String },
    #[error("Secret {secret} of a deleted object is about to be deleted too")]
    AwaitingCollection { secret: String },
    #[error("{0} was deleted meanwhile")]
    Deleted(String),
    #[error("Secret {secret} contains the identity of {did}; it is not replaced")]
    OtherIdentity { secret: String, did: String },
    #[error("failed to write the settings file of Relay {0}")]
    WriteSettings(String, #[source] toml::ser::Error),
    #[error("failed to write {0} as JSON")]
    Serialize(&'static str, #[source] serde_json::Error),
    #[error("{}", join(.0))]
    Several(Vec<Self>),
}

fn join(errors: &[Error]) -> String {
    errors.iter().map(|error| error_chain(error)).collect::<Vec<_>>().join("; ")
}

pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// For `map_err` after a call to the API server.
    pub(crate) fn cluster(attempt: impl Into<String>) -> impl FnOnce(kube::Error) -> Self {
        let attempt = attempt.into();
        move |source| Self::Cluster { attempt, source: Box::new(source) }
    }

    /// Whether an object of that name exists already.
    #[must_use]
    pub fn is_already_there(&self) -> bool {
        matches!(self, Self::Cluster { source, .. }
            if matches!(&**source, kube::Error::Api(status) if status.reason == "AlreadyExists"))
    }

    /// The error itself, or each of several ones.
    #[must_use]
    pub fn parts(&self) -> &[Self] {
        match self {
            Self::Several(errors) => errors,
            one => std::slice::from_ref(one),
        }
    }

    /// The category. Of several errors, one that waiting may end decides.
    #[must_use]
    pub fn category(&self) -> Category {
        match self {
            Self::Several(errors) => {
                let rank = |category: &Category| match category {
                    Category::Terminal => 2,
                    Category::Conflict => 1,
                    _ => 0,
                };
                errors.iter().map(Self::category).min_by_key(rank).unwrap_or(Category::Internal)
            }
            Self::Cluster { source, .. } if is_conflict(source) => Category::Conflict,
            // Nothing can be created any more. The objects are deleted soon.
            Self::Cluster { source, .. } if is_in_terminating_namespace(source) => Category::Terminal,
            Self::AwaitingCollection { .. } | Self::Deleted(_) => Category::Conflict,
            Self::Cluster { .. } | Self::GrowVolume { .. } => Category::Cluster,
            Self::NameTaken { .. } | Self::OtherIdentity { .. } | Self::AuthorityLost { .. } => {
                Category::Terminal
            }
            Self::Relay(_) | Self::NoReplica(_) => Category::Relay,
            Self::Certificate(_)
            | Self::MakeSigningKey(_)
            | Self::SecretContent { .. }
            | Self::WriteSettings(..)
            | Self::Serialize(..) => Category::Internal,
        }
    }
}

fn is_conflict(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == 409)
}

/// Whether the API server refused to create an object because its namespace is being deleted.
fn is_in_terminating_namespace(error: &kube::Error) -> bool {
    let kube::Error::Api(status) = error else { return false };
    let causes = status.details.iter().flat_map(|details| &details.causes);
    status.code == 403 && causes.into_iter().any(|cause| cause.reason == "NamespaceTerminating")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(code: u16, cause: &str) -> Error {
        let status = serde_json::json!({"code": code, "reason": "Forbidden", "message": "",
            "details": {"causes": [{"reason": cause, "message": "", "field": "metadata.namespace"}]}});
        let status: kube::core::Status = serde_json::from_value(status).unwrap();
        Error::cluster("create a Secret")(kube::Error::Api(Box::new(status)))
    }

    #[test]
    fn a_terminating_namespace_is_not_asked_again_and_again() {
        assert_eq!(refused(403, "NamespaceTerminating").category(), Category::Terminal);
        assert_eq!(refused(403, "Other").category(), Category::Cluster);
        assert_eq!(refused(409, "Other").category(), Category::Conflict);
    }
}
