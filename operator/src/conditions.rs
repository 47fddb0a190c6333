//! Drafts of conditions, and how they are merged into an object's status. Pure; the time is an
//! argument.

use crds::condition::{Condition, Reason, Type};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::Resource;
use serde::Serialize;

use crate::rollout::AwaitedTurn;

/// A kind with conditions in its status.
pub trait HasConditions {
    type Status: Serialize + PartialEq + Clone + Default + Send + Sync;

    fn status(&self) -> Option<&Self::Status>;
    fn conditions(status: &Self::Status) -> &[Condition];
    /// The object's status with other conditions.
    fn with_conditions(&self, conditions: Vec<Condition>) -> Self::Status;
}

macro_rules! has_conditions {
    ($($kind:ty => $status:path;)*) => {$(
        impl HasConditions for $kind {
            type Status = $status;

            fn status(&self) -> Option<&$status> {
                self.status.as_ref()
            }

            fn conditions(status: &$status) -> &[Condition] {
                &status.conditions
            }

            fn with_conditions(&self, conditions: Vec<Condition>) -> $status {
                $status { conditions, ..self.status.clone().unwrap_or_default() }
            }
        }
    )*};
}

has_conditions! {
    crds::Relay => crds::RelayStatus;
    crds::Tenant => crds::TenantStatus;
    crds::Agent => crds::AgentStatus;
}

/// The conditions in an object's status.
#[must_use]
pub fn current<K: HasConditions>(object: &K) -> &[Condition] {
    object.status().map(K::conditions).unwrap_or_default()
}

/// Whether the object's status says that it is accepted.
#[must_use]
pub fn is_accepted<K: HasConditions>(object: &K) -> bool {
    is_true(current(object), Type::Accepted)
}

/// The status of a condition. `Unknown` is neither: nobody may act as if it were `False`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConditionStatus {
    True,
    False,
    Unknown,
}

impl ConditionStatus {
    /// The value in the object.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::True => "True",
            Self::False => "False",
            Self::Unknown => "Unknown",
        }
    }
}

/// The draft of a condition in the object's status, if it is about the current generation.
#[must_use]
pub fn kept<K: HasConditions + Resource>(object: &K, about: Type) -> Option<Draft> {
    let found = find(current(object), about)?;
    if found.observed_generation != object.meta().generation {
        return None;
    }
    let status = match found.status.as_str() {
        "True" => ConditionStatus::True,
        "False" => ConditionStatus::False,
        _ => ConditionStatus::Unknown,
    };
    let reason = Reason::ALL.iter().find(|reason| reason.as_str() == found.reason)?;
    Some(Draft { about, status, reason: *reason, message: found.message.clone() })
}

/// A condition without times.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    pub about: Type,
    pub status: ConditionStatus,
    pub reason: Reason,
    pub message: String,
}

impl Draft {
    #[must_use]
    pub fn holds(about: Type, reason: Reason, message: impl Into<String>) -> Self {
        Self { about, status: ConditionStatus::True, reason, message: message.into() }
    }

    #[must_use]
    pub fn fails(about: Type, reason: Reason, message: impl Into<String>) -> Self {
        Self { about, status: ConditionStatus::False, reason, message: message.into() }
    }

    /// A condition about which too little was observed.
    #[must_use]
    pub fn unknown(about: Type, reason: Reason, message: impl Into<String>) -> Self {
        Self { about, status: ConditionStatus::Unknown, reason, message: message.into() }
    }

    #[must_use]
    pub fn is_true(&self) -> bool {
        self.status == ConditionStatus::True
    }
}

/// The conditions of the next status. A condition whose status did not change keeps its transition
/// time.
#[must_use]
pub fn merge(
    previous: &[Condition],
    drafts: &[Draft],
    generation: Option<i64>,
    now: jiff::Timestamp,
) -> Vec<Condition> {
    drafts.iter().map(|draft| condition(previous, draft, generation, now)).collect()
}

fn condition(
    previous: &[Condition],
    draft: &Draft,
    generation: Option<i64>,
    now: jiff::Timestamp,
) -> Condition {
    let status = draft.status.as_str();
    let since = find(previous, draft.about)
        .filter(|found| found.status == status)
        .map(|found| found.last_transition_time.clone());
    Condition {
        type_: draft.about.as_str().to_owned(),
        status: status.to_owned(),
        reason: draft.reason.as_str().to_owned(),
        message: draft.message.clone(),
        observed_generation: generation,
        last_transition_time: since.unwrap_or_else(|| Time(whole_seconds(now))),
    }
}

/// The API server stores whole seconds. A finer time would differ from the one that is read back.
pub(crate) fn whole_seconds(now: jiff::Timestamp) -> jiff::Timestamp {
    jiff::Timestamp::from_second(now.as_second()).unwrap_or(now)
}

#[must_use]
pub fn find(conditions: &[Condition], about: Type) -> Option<&Condition> {
    conditions.iter().find(|condition| condition.type_ == about.as_str())
}

#[must_use]
pub fn is_true(conditions: &[Condition], about: Type) -> bool {
    find(conditions, about).is_some_and(|condition| condition.status == "True")
}

/// Summarizes drafts as `Ready`. The first of `parts` that is false gives the message, and `parts`
/// its reason. If none is false, the first that is unknown does, and then `Ready` is unknown too.
#[must_use]
pub fn ready(drafts: &[Draft], parts: &[(Type, Reason)]) -> Draft {
    for status in [ConditionStatus::False, ConditionStatus::Unknown] {
        for (part, reason) in parts {
            let found = drafts.iter().find(|draft| draft.about == *part && draft.status == status);
            if let Some(draft) = found {
                return Draft { about: Type::Ready, reason: *reason, ..draft.clone() };
            }
        }
    }
    Draft::holds(Type::Ready, Reason::Ready, "all parts are ready and enforced")
}

/// `Reconciling` or `Stalled` for an object that is not ready. Helm, Argo CD and Flux read them
/// (kstatus). `stalled` is why somebody must change an object.
#[must_use]
pub fn progress(ready: &Draft, stalled: Option<&Draft>) -> Option<Draft> {
    match stalled {
        Some(cause) => Some(Draft::holds(Type::Stalled, cause.reason, cause.message.clone())),
        None if !ready.is_true() => {
            Some(Draft::holds(Type::Reconciling, Reason::Progressing, ready.message.clone()))
        }
        None => None,
    }
}

/// `Reconciling` for an object whose update by the operator waits for its turn.
#[must_use]
pub fn awaits_rollout(awaited: AwaitedTurn) -> Draft {
    Draft::holds(Type::Reconciling, Reason::AwaitingRollout, awaited.message())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> jiff::Timestamp {
        jiff::Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn a_condition_keeps_its_time_while_its_status_does_not_change() {
        let first = merge(&[], &[Draft::fails(Type::Ready, Reason::Progressing, "a")], Some(1), at(10));
        let second =
            merge(&first, &[Draft::fails(Type::Ready, Reason::RelayUnavailable, "b")], Some(2), at(20));
        assert_eq!(second[0].last_transition_time, Time(at(10)));
        assert_eq!((second[0].reason.as_str(), second[0].observed_generation), ("RelayUnavailable", Some(2)));
        let third = merge(&second, &[Draft::holds(Type::Ready, Reason::Ready, "c")], Some(2), at(30));
        assert_eq!(third[0].last_transition_time, Time(at(30)));
    }

    #[test]
    fn a_condition_is_kept_only_for_the_generation_that_it_is_about() {
        let agent = |generation: i64, reason: &str| -> crds::Agent {
            serde_json::from_value(serde_json::json!({
                "apiVersion": "msg2agent.xyz/v1alpha1", "kind": "Agent",
                "metadata": {"name": "alice", "generation": generation}, "spec": {"tenantRef": {"name": "acme"}},
                "status": {"conditions": [{"type": "Programmed", "status": "True", "reason": reason, "message": "m",
                    "observedGeneration": 3, "lastTransitionTime": "2026-01-01T00:00:00Z"}]},
            }))
            .unwrap()
        };
        let expected = Draft::holds(Type::Programmed, Reason::Programmed, "m");
        assert_eq!(kept(&agent(3, "Programmed"), Type::Programmed), Some(expected));
        assert_eq!(kept(&agent(4, "Programmed"), Type::Programmed), None, "the spec has changed");
        assert_eq!(kept(&agent(3, "OfAFormerVersion"), Type::Programmed), None);
        assert_eq!(kept(&agent(3, "Programmed"), Type::Ready), None);
    }

    #[test]
    fn the_same_drafts_again_change_nothing() {
        let drafts = [Draft::holds(Type::Ready, Reason::Ready, "")];
        let first = merge(&[], &drafts, Some(1), at(10));
        assert_eq!(merge(&first, &drafts, Some(1), at(99)), first);
    }

    #[test]
    fn ready_has_the_reason_of_the_first_part_that_fails() {
        let drafts = [
            Draft::holds(Type::Accepted, Reason::Accepted, ""),
            Draft::fails(Type::Programmed, Reason::AwaitingReplicas, "1 of 2"),
        ];
        let parts = [(Type::Accepted, Reason::NotAccepted), (Type::Programmed, Reason::NotProgrammed)];
        assert_eq!(ready(&drafts, &parts), Draft::fails(Type::Ready, Reason::NotProgrammed, "1 of 2"));
    }

    #[test]
    fn ready_is_unknown_only_if_no_part_is_false() {
        const PARTS: [(Type, Reason); 2] =
            [(Type::Accepted, Reason::NotAccepted), (Type::Programmed, Reason::NotProgrammed)];
        let unknown = Draft::unknown(Type::Accepted, Reason::Unknown, "not observed yet");
        let accepted = Draft::holds(Type::Accepted, Reason::Accepted, "");
        let failed = Draft::fails(Type::Programmed, Reason::RelayUnavailable, "no replica");
        let programmed = Draft::holds(Type::Programmed, Reason::Programmed, "");
        let summary = |drafts: [&Draft; 2]| {
            let found = ready(&drafts.map(Clone::clone), &PARTS);
            (found.status, found.reason)
        };
        assert_eq!(summary([&unknown, &failed]), (ConditionStatus::False, Reason::NotProgrammed));
        assert_eq!(summary([&unknown, &programmed]), (ConditionStatus::Unknown, Reason::NotAccepted));
        assert_eq!(summary([&accepted, &programmed]), (ConditionStatus::True, Reason::Ready));
        let merged = merge(&[], &[unknown], None, at(1));
        assert_eq!(merged[0].status, "Unknown");
        assert!(!is_true(&merged, Type::Accepted));
    }
}
