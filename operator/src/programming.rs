//! The condition `Programmed`: the relay enforces an object's current spec. Pure.

use crds::condition::{Reason, Type};
use daemon::error_chain;

use crate::conditions::Draft;
use crate::observed::Observed;
use crate::relay_api::RelayError;
use crate::relay_replicas::Progress;

/// The result of writing an object's content to its relay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Programming {
    Progress(Progress),
    Failed { message: String, is_refusal: bool },
}

impl Programming {
    #[must_use]
    pub fn from_result(written: &Result<Observed<Progress>, RelayError>) -> Self {
        match written {
            Ok(Observed::Known(progress)) => Self::Progress(*progress),
            Ok(Observed::Unknown) => Self::Progress(Progress { acknowledged: 0, ready: 0 }),
            Err(error) => Self::Failed { message: error_chain(error), is_refusal: error.is_refusal() },
        }
    }

    /// Whether every ready replica of the relay is known to enforce the content.
    #[must_use]
    pub const fn is_complete(&self) -> bool {
        matches!(self, Self::Progress(progress) if progress.is_complete())
    }

    /// The `Programmed` condition.
    #[must_use]
    pub fn draft(&self) -> Draft {
        match self {
            Self::Progress(Progress { ready: 0, .. }) => {
                Draft::fails(Type::Programmed, Reason::RelayUnavailable, "no relay replica is ready")
            }
            Self::Progress(progress) if progress.is_complete() => Draft::holds(
                Type::Programmed,
                Reason::Programmed,
                "every ready relay replica enforces the current content",
            ),
            Self::Progress(Progress { acknowledged, ready }) => Draft::fails(
                Type::Programmed,
                Reason::AwaitingReplicas,
                format!("{acknowledged} of {ready} ready relay replicas have confirmed the current content"),
            ),
            Self::Failed { message, is_refusal: true } => {
                Draft::fails(Type::Programmed, Reason::Rejected, message.clone())
            }
            Self::Failed { message, is_refusal: false } => {
                Draft::fails(Type::Programmed, Reason::RelayUnavailable, message.clone())
            }
        }
    }
}
