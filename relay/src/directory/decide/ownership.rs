//! Decides who may write an entry, and who owns it afterwards.

use protocol::admin::Owner;

use super::OperationError;
use crate::directory::Requester;
use crate::directory::ownership::Ownership;

/// The right by which a requester writes an existing entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Right {
    /// It is the requester's own, or a person changes what an agent registered.
    Own,
    /// The recorded owner hands it over.
    HandedOver,
    /// It belongs to nobody.
    Unowned,
}

/// Finds the right of the requester, or refuses it.
pub(super) fn right(recorded: &Ownership, requester: &Requester) -> Result<Right, OperationError> {
    let rights = requester.rights();
    let owner = match recorded {
        Ownership::Owned(owner) => owner,
        Ownership::Unrecorded | Ownership::Released(_) if requester.if_owned => {
            return Err(OperationError::Unowned);
        }
        Ownership::Unrecorded | Ownership::Released(_) => return Ok(Right::Unowned),
    };
    if *owner == rights {
        return Ok(Right::Own);
    }
    if requester.if_owned {
        return Err(OperationError::OwnedByAnother(owner.clone()));
    }
    if requester.former_owner.as_ref() == Some(owner) {
        return Ok(Right::HandedOver);
    }
    match (owner, rights) {
        (Owner::Registration, Owner::CommandLine) => Ok(Right::Own),
        _ => Err(OperationError::OwnedByAnother(owner.clone())),
    }
}

/// The owner of an entry that is declared as a whole.
pub(super) fn declared(recorded: Option<&Ownership>, requester: &Requester) -> Ownership {
    match (&requester.owner, recorded) {
        (Some(owner), _) => Ownership::Owned(owner.clone()),
        (None, Some(Ownership::Owned(owner))) if requester.former_owner.as_ref() == Some(owner) => {
            Ownership::Owned(requester.rights())
        }
        (None, Some(Ownership::Owned(owner))) => Ownership::Owned(owner.clone()),
        (None, Some(Ownership::Unrecorded | Ownership::Released(_)) | None) => Ownership::Unrecorded,
    }
}

/// The owner of an entry of which a part is changed, such as the suspension of an agent. It claims
/// nothing, but may take over.
pub(super) fn changed(recorded: &Ownership, requester: &Requester) -> Result<Ownership, OperationError> {
    Ok(match right(recorded, requester)? {
        Right::HandedOver => Ownership::Owned(requester.rights()),
        Right::Own | Right::Unowned => recorded.clone(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(uid: &str) -> Owner {
        Owner::Kubernetes(uid.into())
    }

    fn by(owner: Owner) -> Requester {
        Requester { owner: Some(owner), ..Requester::default() }
    }

    fn owned(owner: Owner) -> Ownership {
        Ownership::Owned(owner)
    }

    #[test]
    fn an_entry_is_written_by_its_owner_and_by_nobody_else() {
        let recorded = owned(object("a"));
        assert_eq!(right(&recorded, &by(object("a"))).unwrap(), Right::Own);
        for other in [by(object("b")), by(Owner::CommandLine), Requester::default()] {
            let refused = right(&recorded, &other).unwrap_err();
            assert!(matches!(refused, OperationError::OwnedByAnother(owner) if owner == object("a")));
        }
    }

    #[test]
    fn an_entry_is_handed_over_by_exactly_its_recorded_owner() {
        let from = |former| Requester { former_owner: Some(former), ..by(object("b")) };
        let recorded = owned(object("a"));
        assert_eq!(right(&recorded, &from(object("a"))).unwrap(), Right::HandedOver);
        assert_eq!(changed(&recorded, &from(object("a"))).unwrap(), owned(object("b")));
        assert_eq!(declared(Some(&recorded), &from(object("a"))), owned(object("b")));
        assert!(matches!(right(&recorded, &from(object("c"))), Err(OperationError::OwnedByAnother(_))));
        let person = Requester { former_owner: Some(object("a")), ..Requester::default() };
        assert_eq!(declared(Some(&recorded), &person), owned(Owner::CommandLine));
    }

    #[test]
    fn what_belongs_to_nobody_goes_to_the_next_one_that_declares_it() {
        for recorded in [Ownership::Unrecorded, Ownership::Released(5)] {
            assert_eq!(right(&recorded, &by(object("a"))).unwrap(), Right::Unowned);
            assert_eq!(declared(Some(&recorded), &by(object("a"))), owned(object("a")));
            assert_eq!(declared(Some(&recorded), &Requester::default()), Ownership::Unrecorded);
            assert_eq!(changed(&recorded, &by(object("a"))).unwrap(), recorded);
        }
    }

    #[test]
    fn a_write_that_must_own_the_entry_claims_nothing_and_takes_nothing_over() {
        let strict = |former| Requester { if_owned: true, former_owner: former, ..by(object("a")) };
        assert_eq!(right(&owned(object("a")), &strict(None)).unwrap(), Right::Own);
        for recorded in [Ownership::Unrecorded, Ownership::Released(5)] {
            assert!(matches!(right(&recorded, &strict(None)), Err(OperationError::Unowned)));
        }
        let other = right(&owned(object("b")), &strict(Some(object("b"))));
        assert!(matches!(other, Err(OperationError::OwnedByAnother(_))));
    }

    #[test]
    fn a_person_changes_what_an_agent_registered_and_an_object_has_to_take_it_over() {
        let registered = owned(Owner::Registration);
        for person in [by(Owner::CommandLine), Requester::default()] {
            assert_eq!(right(&registered, &person).unwrap(), Right::Own);
            assert_eq!(changed(&registered, &person).unwrap(), registered);
        }
        assert_eq!(declared(Some(&registered), &by(Owner::CommandLine)), owned(Owner::CommandLine));
        assert_eq!(declared(Some(&registered), &Requester::default()), registered);
        assert!(right(&registered, &by(object("a"))).is_err());
        let taking = Requester { former_owner: Some(Owner::Registration), ..by(object("a")) };
        assert_eq!(right(&registered, &taking).unwrap(), Right::HandedOver);
    }
}
