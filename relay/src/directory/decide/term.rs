//! Decides whether a leader of the control plane may still write.

use super::OperationError;
use crate::directory::Requester;
use crate::directory::edit::Edit;
use crate::directory::state::DirectoryState;

/// Refuses a former leader. The first write of a new one, even if it is refused for another
/// reason, ends the right of all former leaders.
pub(in crate::directory) fn check_term(
    state: &DirectoryState,
    requester: &Requester,
) -> Result<Option<Edit>, OperationError> {
    let Some(term) = requester.term else { return Ok(None) };
    match state.term() {
        Some(highest) if term < highest => Err(OperationError::StaleTerm(highest)),
        Some(highest) if term == highest => Ok(None),
        _ => Ok(Some(Edit::RaiseTerm(term))),
    }
}

#[cfg(test)]
mod tests {
    use protocol::admin::Term;

    use super::*;

    fn leader(transitions: u64) -> Requester {
        Requester { term: Some(Term { lease_created: 1_000, transitions }), ..Requester::default() }
    }

    #[test]
    fn a_lower_term_is_refused_once_a_higher_one_has_written() {
        let mut state = DirectoryState::default();
        let raise = check_term(&state, &leader(2)).unwrap().unwrap();
        state.apply(&raise);
        assert_eq!(check_term(&state, &leader(2)).unwrap(), None);
        let refused = check_term(&state, &leader(1)).unwrap_err();
        assert!(matches!(refused, OperationError::StaleTerm(Term { transitions: 2, .. })));
        assert_eq!(refused.reason(), protocol::Reason::StaleTerm);
        assert!(check_term(&state, &leader(3)).unwrap().is_some());
    }

    #[test]
    fn a_person_without_a_term_always_writes() {
        let mut state = DirectoryState::default();
        state.apply(&Edit::RaiseTerm(Term { lease_created: 1_000, transitions: 2 }));
        assert_eq!(check_term(&state, &Requester::default()).unwrap(), None);
    }
}
