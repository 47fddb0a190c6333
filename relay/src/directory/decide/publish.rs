//! Decides whether an agent's record is registered. A DID belongs to its root key: the one on
//! record, or the first that registers with a valid credential.

use std::sync::Arc;

use protocol::admin::Owner;
use protocol::document::DidDocument;
use protocol::multikey;

use super::*;
use crate::directory::authenticate::recheck;
use crate::directory::edit::Edit;
use crate::directory::entry::AgentEntry;
use crate::directory::ownership::Ownership;

pub(super) fn publish(
    context: Context<'_>,
    who: &Principal,
    record: &VerifiedRecord,
) -> Result<Decision, OperationError> {
    check_covered(who, &record.did)?;
    recheck(context.state, who, context.now).map_err(OperationError::Credential)?;
    if is_from_the_future(context, record.keys.created) {
        // Until that time every honest record of the agent would be a rollback.
        return Err(OperationError::FromTheFuture);
    }
    let root_key = multikey::encode_ed25519(&record.keys.root);
    let Some(before) = context.state.agent(&record.did) else {
        context.check_capacity(&who.tenant)?;
        let ownership = Ownership::Owned(Owner::Registration);
        let new = AgentEntry { ownership, ..AgentEntry::new(record.did.clone()) };
        return Ok(registered(&new, record, root_key));
    };
    if before.suspended || before.ownership.is_released() {
        return Err(OperationError::Suspended);
    }
    if before.root_key.as_ref().is_some_and(|on_record| *on_record != root_key) {
        return Err(OperationError::RootOnRecord);
    }
    if before.record.as_ref().is_some_and(|bytes| **bytes == *record.bytes) {
        return Ok(Decision::unchanged());
    }
    // A record that an older relay took from the future, or this one while its own clock was ahead,
    // does not lock its agent out.
    let comparable = before.record.is_some() && !is_from_the_future(context, before.record_created);
    if comparable && record.keys.created < before.record_created {
        return Err(OperationError::Rollback);
    }
    if !context.has_room && is_on_record(before, record) {
        // A program that has just started has signed its record anew. On a full disk it connects
        // without a write, because recipients have to come to make room.
        return Ok(Decision::unchanged());
    }
    Ok(registered(before, record, root_key))
}

/// Whether the record on file says the same as this one, but for the time of its signatures.
fn is_on_record(before: &AgentEntry, record: &VerifiedRecord) -> bool {
    let stored = before.record.as_ref().and_then(|bytes| VerifiedRecord::parse(bytes, &before.did).ok());
    let unsigned = |document: &DidDocument| DidDocument { proof: None, ..document.clone() };
    stored.is_some_and(|stored| {
        stored.card == record.card
            && unsigned(&stored.document) == unsigned(&record.document)
            && unsigned(&stored.self_certifying) == unsigned(&record.self_certifying)
    })
}

const fn is_from_the_future(context: Context<'_>, created: UnixSeconds) -> bool {
    created > context.now.saturating_add(RECORD_SKEW_GRACE_SECONDS)
}

fn check_covered(who: &Principal, did: &Did) -> Result<(), OperationError> {
    let covered = did.tenant() == who.tenant && who.agent.as_ref().is_none_or(|only| only == did);
    if covered { Ok(()) } else { Err(OperationError::NotCovered) }
}

fn registered(before: &AgentEntry, record: &VerifiedRecord, root_key: String) -> Decision {
    let after = AgentEntry {
        root_key: Some(root_key),
        record: Some(Arc::clone(&record.bytes)),
        record_created: record.keys.created,
        registered_card: Some(record.card.clone()),
        ..before.clone()
    };
    Decision::apply(Edit::PutAgent(Arc::new(after)), Vec::new())
}

#[cfg(test)]
mod tests {
    use protocol::Identity;
    use protocol::record::Card;

    use super::*;
    use crate::directory::fixtures::{agent_with_keys, did, hash, key, record, tenant};

    fn identity(name: &str) -> Identity {
        Identity::generate(did("acme", name), 1, &mut rand::rng())
    }

    fn tenant_key() -> Principal {
        Principal { tenant: tenant("acme"), agent: None, key_id: hash(1).key_id() }
    }

    fn state_with_key() -> DirectoryState {
        let mut state = DirectoryState::with_tenants(&["acme"]);
        state.apply(&Edit::PutKey(tenant("acme"), key(1, None)));
        state
    }

    fn published(
        state: &mut DirectoryState,
        identity: &Identity,
        now: UnixSeconds,
    ) -> Result<Decision, OperationError> {
        let decision = publish(context(state), &tenant_key(), &record(identity, Card::default(), now));
        decision.iter().flat_map(|decision| &decision.edits).for_each(|edit| state.apply(edit));
        decision
    }

    #[test]
    fn first_use_pins_the_root_and_nobody_else_takes_the_name() {
        let mut state = state_with_key();
        let alice = identity("alice");
        published(&mut state, &alice, 10).unwrap();
        let owner = state.agent(alice.did()).unwrap().ownership.owner().cloned();
        assert_eq!(owner, Some(Owner::Registration));
        let on_record = state.agent(alice.did()).unwrap().root_key.clone().unwrap();
        assert_eq!(on_record, multikey::encode_ed25519(&alice.root_public()));
        let refused = published(&mut state, &identity("alice"), 20).unwrap_err();
        assert_eq!(refused.reason(), Reason::KeyConflict);
    }

    #[test]
    fn an_older_record_never_replaces_a_newer_one() {
        let mut state = state_with_key();
        let alice = identity("alice");
        published(&mut state, &alice, 20).unwrap();
        assert!(published(&mut state, &alice, 20).unwrap().is_unchanged());
        let refused = published(&mut state, &alice, 19).unwrap_err();
        assert_eq!(refused.reason(), Reason::RecordRollback);
        assert!(!published(&mut state, &alice, 21).unwrap().is_unchanged());
    }

    #[test]
    fn on_a_full_disk_a_record_that_is_on_file_needs_no_write_when_it_is_signed_again() {
        let mut state = state_with_key();
        let alice = identity("alice");
        published(&mut state, &alice, 10).unwrap();
        let full = Context { has_room: false, ..context(&state) };
        let publish_on_full = |record: &VerifiedRecord| publish(full, &tenant_key(), record).unwrap();
        assert!(publish_on_full(&record(&alice, Card::default(), 20)).is_unchanged());
        let other_card = Card { name: "other".into(), ..Card::default() };
        assert!(!publish_on_full(&record(&alice, other_card, 20)).is_unchanged());
        let mut rotated = Identity::from_key_file(&alice.to_key_file()).unwrap();
        rotated.rotate(15, &mut rand::rng());
        assert!(!publish_on_full(&record(&rotated, Card::default(), 20)).is_unchanged());
    }

    #[test]
    fn a_record_from_the_future_does_not_lock_its_agent_out() {
        let mut state = state_with_key();
        let alice = identity("alice");
        let refused = published(&mut state, &alice, 1_000 + 301).unwrap_err();
        assert_eq!(refused.reason(), Reason::RecordInFuture);
        published(&mut state, &alice, 1_000 + 300).unwrap();
    }

    #[test]
    fn an_agent_whose_record_is_from_the_future_registers_an_honest_one() {
        let mut state = state_with_key();
        let alice = identity("alice");
        published(&mut state, &alice, 900).unwrap();
        let ahead = AgentEntry {
            record_created: 1_000 + 9 * 365 * 86_400,
            ..(**state.agent(alice.did()).unwrap()).clone()
        };
        state.apply(&Edit::PutAgent(Arc::new(ahead)));
        published(&mut state, &alice, 1_000).unwrap();
        let refused = published(&mut state, &alice, 999).unwrap_err();
        assert_eq!(refused.reason(), Reason::RecordRollback);
    }

    #[test]
    fn a_declared_root_holds_from_the_first_registration() {
        let mut state = state_with_key();
        let alice = identity("alice");
        let declared = AgentEntry {
            root_key: Some(multikey::encode_ed25519(&alice.root_public())),
            ..AgentEntry::new(alice.did().clone())
        };
        state.apply(&Edit::PutAgent(declared.into()));
        let refused = published(&mut state, &identity("alice"), 10).unwrap_err();
        assert_eq!(refused.reason(), Reason::KeyConflict);
        published(&mut state, &alice, 10).unwrap();
    }

    #[test]
    fn a_key_covers_its_own_agent_and_its_own_tenant_only() {
        let mut state = state_with_key();
        state.apply(&Edit::PutAgent(agent_with_keys("acme", "bob", &[(2, None)])));
        let bobs =
            Principal { tenant: tenant("acme"), agent: Some(did("acme", "bob")), key_id: hash(2).key_id() };
        let alices = record(&identity("alice"), Card::default(), 10);
        let refused = publish(context(&state), &bobs, &alices).unwrap_err();
        assert_eq!(refused.reason(), Reason::Forbidden);
        publish(context(&state), &bobs, &record(&identity("bob"), Card::default(), 10)).unwrap();

        let foreign = Principal { tenant: tenant("other"), ..tenant_key() };
        assert_eq!(publish(context(&state), &foreign, &alices).unwrap_err().reason(), Reason::Forbidden);
    }

    #[test]
    fn a_revoked_credential_registers_nothing() {
        let mut state = state_with_key();
        state.apply(&Edit::RemoveKey(tenant("acme"), key(1, None)));
        let refused = published(&mut state, &identity("alice"), 10).unwrap_err();
        assert_eq!(refused.reason(), Reason::KeyUnknown);
    }

    #[test]
    fn a_suspended_agent_registers_nothing() {
        let mut state = state_with_key();
        let alice = identity("alice");
        let suspended = AgentEntry { suspended: true, ..AgentEntry::new(alice.did().clone()) };
        state.apply(&Edit::PutAgent(suspended.into()));
        assert_eq!(published(&mut state, &alice, 10).unwrap_err().reason(), Reason::Suspended);
    }

    #[test]
    fn an_agent_that_was_deleted_with_its_content_retained_registers_nothing() {
        let mut state = state_with_key();
        let alice = identity("alice");
        let released =
            AgentEntry { ownership: Ownership::Released(5), ..AgentEntry::new(alice.did().clone()) };
        state.apply(&Edit::PutAgent(released.into()));
        assert_eq!(published(&mut state, &alice, 10).unwrap_err().reason(), Reason::Suspended);
    }
}
