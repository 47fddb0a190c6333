//! Decides when a workload gets a change that the author of its Relay or Agent did not make, such
//! as a new image after an upgrade of the operator. Pure.
//!
//! Changes of the author are applied at once. All others wait for their turn: relays come before
//! their gateways and endpoints, and only so many workloads are restarted at the same time. Without
//! this, an upgrade of the operator would restart every relay and every endpoint of the cluster
//! together.

mod admission;
mod stamp;
mod turns;
mod workload;

pub use admission::{admit, report_relay};
pub use stamp::{Origin, Stamp};
pub use turns::{Precedent, Rollouts};
pub use workload::{ObservedWorkload, WorkloadKind};

/// What happens to a workload whose objects were built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// It is applied now, with this origin of its pod template.
    Apply(Origin),
    /// It is applied when it gets a turn.
    NeedsTurn,
}

/// Why a workload waits for its turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AwaitedTurn {
    /// The Relay is updated first.
    Relay,
    /// Enough other workloads are being restarted.
    Budget,
}

impl AwaitedTurn {
    /// The message of the condition. It names no numbers, because every change of it is a write.
    #[must_use]
    pub const fn message(self) -> &'static str {
        match self {
            Self::Relay => "an update by the operator waits until the Relay is updated and serves",
            Self::Budget => "an update by the operator waits until other workloads have restarted",
        }
    }
}

/// Decides whether a workload that was built from `desired` needs a turn. One that serves nobody is
/// applied at once, because a restart cannot make it worse and may repair it.
#[must_use]
pub fn decide(desired: &Stamp, observed: Option<&ObservedWorkload>) -> Decision {
    let Some(observed) = observed else { return Decision::Apply(Origin::Author) };
    let Some(stamp) = &observed.stamp else { return Decision::NeedsTurn };
    if stamp.template == desired.template {
        return Decision::Apply(observed.origin);
    }
    if stamp.author != desired.author {
        return Decision::Apply(Origin::Author);
    }
    if observed.is_available { Decision::NeedsTurn } else { Decision::Apply(observed.origin) }
}

/// Whether a workload holds a part of the budget: it was restarted by a turn and does not serve
/// completely yet. One that its author broke holds none, so that it cannot block all others.
#[must_use]
pub fn is_rolling(observed: &ObservedWorkload) -> bool {
    observed.origin == Origin::Operator && !observed.is_settled
}

/// Whether a Relay is done, so that the turns of its gateway and its endpoints can come.
#[must_use]
pub fn is_done(desired: &Stamp, observed: &ObservedWorkload) -> bool {
    let is_current = observed.stamp.as_ref().is_some_and(|stamp| stamp.template == desired.template);
    is_current && observed.is_settled
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stamp(template: &str, author: &str) -> Stamp {
        Stamp { template: template.into(), author: author.into() }
    }

    fn serving(template: &str, author: &str) -> ObservedWorkload {
        ObservedWorkload {
            stamp: Some(stamp(template, author)),
            origin: Origin::Author,
            is_available: true,
            is_settled: true,
        }
    }

    #[test]
    fn a_new_workload_and_a_change_of_its_author_need_no_turn() {
        let desired = stamp("new", "theirs");
        assert_eq!(decide(&desired, None), Decision::Apply(Origin::Author));
        assert_eq!(decide(&desired, Some(&serving("old", "before"))), Decision::Apply(Origin::Author));
    }

    #[test]
    fn a_change_of_the_operator_needs_a_turn() {
        let desired = stamp("new", "theirs");
        assert_eq!(decide(&desired, Some(&serving("old", "theirs"))), Decision::NeedsTurn);
        let unstamped = ObservedWorkload { stamp: None, ..serving("", "") };
        assert_eq!(decide(&desired, Some(&unstamped)), Decision::NeedsTurn, "an older operator made it");
    }

    #[test]
    fn an_unchanged_template_is_applied_and_keeps_its_origin() {
        for origin in [Origin::Author, Origin::Operator] {
            let observed = ObservedWorkload { origin, ..serving("same", "before") };
            assert_eq!(decide(&stamp("same", "theirs"), Some(&observed)), Decision::Apply(origin));
        }
    }

    #[test]
    fn a_workload_that_serves_nobody_is_repaired_at_once_and_keeps_its_origin() {
        for origin in [Origin::Author, Origin::Operator] {
            let broken = ObservedWorkload {
                is_available: false,
                is_settled: false,
                origin,
                ..serving("bad", "theirs")
            };
            assert_eq!(decide(&stamp("good", "theirs"), Some(&broken)), Decision::Apply(origin));
        }
    }

    #[test]
    fn only_a_restart_by_a_turn_holds_a_part_of_the_budget() {
        let restarting = ObservedWorkload { is_settled: false, ..serving("new", "theirs") };
        assert!(!is_rolling(&restarting), "its author broke it");
        assert!(is_rolling(&ObservedWorkload { origin: Origin::Operator, ..restarting }));
        assert!(!is_rolling(&ObservedWorkload { origin: Origin::Operator, ..serving("new", "theirs") }));
    }

    #[test]
    fn a_relay_is_done_when_its_current_template_serves() {
        let desired = stamp("new", "theirs");
        assert!(is_done(&desired, &serving("new", "theirs")));
        assert!(!is_done(&desired, &serving("old", "theirs")));
        assert!(!is_done(&desired, &ObservedWorkload { is_settled: false, ..serving("new", "theirs") }));
    }
}
