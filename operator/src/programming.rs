//! The condition `Programmed`: the relay enforces an object's current spec. Pure.

use std::time::Duration;

use crds::condition::{Reason, Type};
use daemon::error_chain;

use crate::backoff::RESYNC_INTERVAL;
use crate::conditions::Draft;
use crate::observed::Observed;
use crate::relay_api::RelayError;
use crate::relay_replicas::Progress;

/// Interval between two attempts while some replicas have not confirmed.
pub const RETRY_INTERVAL: Duration = Duration::from_secs(15);
/// The same while the relay is not there. The Relay's own pass contacts it.
pub const UNKNOWN_RETRY_INTERVAL: Duration = Duration::from_secs(300);

/// The interval before an object is reconciled again whose acceptance depends on what the relay
/// records. At a relay that answers, that is known as soon as a write under way is answered.
#[must_use]
pub const fn unknown_retry_interval(relay_answers: bool) -> Duration {
    if relay_answers { RETRY_INTERVAL } else { UNKNOWN_RETRY_INTERVAL }
}

/// The result of writing an object's content to its relay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Programming {
    /// The relay was not contacted since this process leads, or has other requests to answer first.
    Unknown,
    /// The relay has not answered for a while.
    Lost,
    Progress(Progress),
    /// The entry at the relay belongs to somebody else.
    OwnedByAnother {
        message: String,
    },
    Failed {
        message: String,
        is_refusal: bool,
    },
}

impl Programming {
    #[must_use]
    pub fn from_result(written: &Result<Observed<Progress>, RelayError>) -> Self {
        match written {
            Ok(Observed::Unknown) | Err(RelayError::Busy(_) | RelayError::NotLeading) => Self::Unknown,
            Ok(Observed::Known(Progress { ready: 0, .. })) => Self::Lost,
            Ok(Observed::Known(progress)) => Self::Progress(*progress),
            Err(error) if error.reason() == Some(protocol::Reason::OwnerConflict) => {
                Self::OwnedByAnother { message: protocol::Reason::OwnerConflict.advice().to_owned() }
            }
            Err(error) => Self::Failed { message: error_chain(error), is_refusal: error.is_refusal() },
        }
    }

    /// Whether every ready replica of the relay is known to enforce the content.
    #[must_use]
    pub const fn is_complete(&self) -> bool {
        matches!(self, Self::Progress(progress) if progress.is_complete())
    }

    /// The interval before the object is reconciled again without an event. The pass of a Relay
    /// enqueues its objects when the relay is found, lost or back, so they need not ask all the
    /// time.
    #[must_use]
    pub const fn retry_interval(&self) -> Duration {
        match self {
            Self::Unknown | Self::Lost => UNKNOWN_RETRY_INTERVAL,
            Self::Progress(progress) if progress.is_complete() => RESYNC_INTERVAL,
            Self::Progress(_) | Self::OwnedByAnother { .. } | Self::Failed { .. } => RETRY_INTERVAL,
        }
    }

    /// The `Programmed` condition. `former` is the one in the status, if it is about the current
    /// generation. It stays while nothing newer is known.
    #[must_use]
    pub fn draft(&self, former: Option<Draft>) -> Draft {
        match self {
            Self::Unknown => former.unwrap_or_else(|| {
                let message = "no replica of the relay was contacted yet";
                Draft::unknown(Type::Programmed, Reason::RelayUnavailable, message)
            }),
            Self::Lost => {
                let message = "the relay has stopped answering, so what it enforces is not known";
                Draft::unknown(Type::Programmed, Reason::RelayUnavailable, message)
            }
            Self::Progress(progress) if progress.is_complete() => Draft::holds(
                Type::Programmed,
                Reason::Programmed,
                "every ready relay replica enforces the current content",
            ),
            Self::Progress(Progress { acknowledged, ready, .. }) => Draft::fails(
                Type::Programmed,
                Reason::AwaitingReplicas,
                format!("{acknowledged} of {ready} ready relay replicas have confirmed the current content"),
            ),
            Self::OwnedByAnother { message } => {
                Draft::fails(Type::Programmed, Reason::OwnedByAnother, message.clone())
            }
            Self::Failed { message, is_refusal: true } => {
                Draft::fails(Type::Programmed, Reason::Rejected, message.clone())
            }
            Self::Failed { message, is_refusal: false } => {
                Draft::fails(Type::Programmed, Reason::RelayUnavailable, message.clone())
            }
        }
    }

    /// Why somebody has to change something before the relay takes the content. `former` is as in
    /// [`Programming::draft`], so that a restart changes nothing.
    #[must_use]
    pub fn stalled(&self, former: Option<Draft>) -> Option<Draft> {
        let is_refused = |draft: &Draft| matches!(draft.reason, Reason::OwnedByAnother | Reason::Rejected);
        Some(self.draft(former)).filter(is_refused)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conditions::ConditionStatus;

    fn refused(reason: protocol::Reason) -> Programming {
        let address = "127.0.0.1:8082".parse().unwrap();
        let error = RelayError::Refused { address, status: 409, reason: Some(reason), detail: String::new() };
        Programming::from_result(&Err(error))
    }

    #[test]
    fn what_the_status_says_of_this_generation_stays_while_the_relay_is_not_contacted() {
        let former = Draft::holds(Type::Programmed, Reason::Programmed, "as before");
        for written in [Ok(Observed::Unknown), Err(RelayError::Busy("platform/main".into()))] {
            let programming = Programming::from_result(&written);
            assert_eq!(programming.draft(Some(former.clone())), former);
            assert_eq!(programming.draft(None).status, ConditionStatus::Unknown);
            assert!(!programming.is_complete());
        }
    }

    #[test]
    fn what_a_relay_records_is_asked_soon_if_it_answers() {
        assert_eq!(unknown_retry_interval(true), Duration::from_secs(15));
        assert_eq!(unknown_retry_interval(false), Duration::from_secs(300), "its own pass finds it");
    }

    #[test]
    fn what_a_lost_relay_enforces_is_not_known() {
        let former = Draft::holds(Type::Programmed, Reason::Programmed, "as before");
        let lost = Observed::Known(Progress { acknowledged: 0, ready: 0 });
        let draft = Programming::from_result(&Ok(lost)).draft(Some(former));
        assert_eq!((draft.status, draft.reason), (ConditionStatus::Unknown, Reason::RelayUnavailable));
    }

    #[test]
    fn what_the_relay_answers_replaces_what_the_status_says() {
        let former = || Some(Draft::holds(Type::Programmed, Reason::Programmed, "as before"));
        let progress = Programming::from_result(&Ok(Observed::Known(Progress { acknowledged: 1, ready: 2 })));
        assert_eq!(progress.draft(former()).reason, Reason::AwaitingReplicas);
        let conflict = refused(protocol::Reason::OwnerConflict);
        assert_eq!(conflict.draft(former()).reason, Reason::OwnedByAnother);
        assert_eq!(refused(protocol::Reason::InvalidRequest).draft(former()).reason, Reason::Rejected);
    }

    #[test]
    fn a_conflict_reads_the_same_from_the_relay_and_from_its_listing() {
        let owner = protocol::admin::Owner::CommandLine;
        let recorded = RelayError::OwnedByAnother { path: "/admin/v1/tenants/acme".into(), owner };
        let answered = refused(protocol::Reason::OwnerConflict);
        assert_eq!(Programming::from_result(&Err(recorded)), answered, "a restart changes no status");
    }

    #[test]
    fn only_a_refusal_waits_for_a_person() {
        assert!(refused(protocol::Reason::OwnerConflict).stalled(None).is_some());
        assert!(refused(protocol::Reason::InvalidRequest).stalled(None).is_some());
        assert!(Programming::Unknown.stalled(None).is_none());
        let away = Programming::Failed { message: "timed out".into(), is_refusal: false };
        assert!(away.stalled(None).is_none());
    }

    #[test]
    fn what_was_refused_stays_stalled_while_the_relay_is_not_contacted() {
        let former = Draft::fails(Type::Programmed, Reason::OwnedByAnother, "another owner made this entry");
        assert_eq!(Programming::Unknown.stalled(Some(former.clone())), Some(former.clone()));
        let progress = Programming::Progress(Progress { acknowledged: 1, ready: 1 });
        assert_eq!(progress.stalled(Some(former)), None);
    }
}
