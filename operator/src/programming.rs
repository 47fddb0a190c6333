//! How far content got to a relay, and what is said about it. Pure.

use crds::condition::{Reason, Type};

use crate::conditions::Draft;
use crate::fleet::Progress;
use crate::relay_client::RelayError;

/// How far content got to the relay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Programming {
    Progress(Progress),
    Failed { message: String, is_refusal: bool },
}

impl Programming {
    #[must_use]
    pub fn of(written: &Result<Progress, RelayError>) -> Self {
        match written {
            Ok(progress) => Self::Progress(*progress),
            Err(error) => {
                Self::Failed { message: crate::error::chain(error), is_refusal: error.is_refusal() }
            }
        }
    }

    /// The `Programmed` condition.
    #[must_use]
    pub fn draft(&self) -> Draft {
        match self {
            Self::Progress(Progress { ready: 0, .. }) => {
                Draft::fails(Type::Programmed, Reason::RelayUnavailable, "no relay replica is ready")
            }
            Self::Progress(progress) if progress.is_complete() => {
                Draft::holds(Type::Programmed, Reason::Programmed, "every ready relay replica enforces it")
            }
            Self::Progress(Progress { acknowledged, ready }) => Draft::fails(
                Type::Programmed,
                Reason::AwaitingReplicas,
                format!("{acknowledged} of {ready} ready relay replicas confirmed"),
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
