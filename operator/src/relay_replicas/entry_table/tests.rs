//! Tests of what remains known after writes, removals and listings.

use super::*;

const ALICE: &str = "/admin/v1/tenants/acme/agents/alice";
const ACME: &str = "/admin/v1/tenants/acme";
const INVITATION: &str = "/admin/v1/tenants/acme/invitations/claude";

fn owner(uid: &str) -> Owner {
    Owner::Kubernetes(uid.into())
}

fn held(uid: &str, content: u8) -> Held {
    Held { owner: Some(owner(uid)), digest: Some([content; 32]), refused_endpoint: None }
}

fn written(path: &str, content: u8) -> EntryTable {
    let mut table = EntryTable::default();
    let ticket = table.begin_write(path);
    table.acknowledge(path, ticket, held("uid", content));
    table
}

fn listing(entries: &[(&str, Held)]) -> BTreeMap<String, Held> {
    entries.iter().map(|(path, held)| ((*path).to_owned(), held.clone())).collect()
}

#[test]
fn an_entry_is_unknown_from_before_the_write_until_its_acknowledgement() {
    let mut table = written(ALICE, 1);
    let ticket = table.begin_write(ALICE);
    assert_eq!(table.held(ALICE), Observed::Unknown);
    assert!(!table.is_acknowledged(ALICE, Some(&owner("uid"))));
    table.acknowledge(ALICE, ticket, held("uid", 2));
    assert!(table.holds(ALICE, None, [2; 32]));
}

#[test]
fn a_lost_answer_leaves_the_entry_unknown_and_asks_for_a_listing() {
    let mut table = written(ALICE, 1);
    let begun = table.begin_listing();
    table.merge(begun, &listing(&[(ALICE, held("uid", 1))]));
    assert!(!table.needs_listing());
    let ticket = table.begin_write(ALICE);
    table.lose(ALICE, ticket);
    assert_eq!(table.held(ALICE), Observed::Unknown);
    assert!(table.needs_listing());
}

#[test]
fn a_refused_write_changes_nothing() {
    for before in [Observed::Known(Some(held("uid", 1))), Observed::Known(None), Observed::Unknown] {
        let mut table = EntryTable::default();
        let begun = table.begin_listing();
        table.merge(begun, &BTreeMap::new());
        let ticket = table.begin_write(ALICE);
        table.refuse(ALICE, ticket, before.clone());
        assert_eq!(table.held(ALICE), before);
    }
}

#[test]
fn a_late_acknowledgement_after_a_removal_is_not_believed() {
    let mut table = EntryTable::default();
    let write = table.begin_write(ALICE);
    let removal = table.begin_removal(ACME);
    table.remove(ACME, removal);
    table.acknowledge(ALICE, write, held("uid", 1));
    assert_eq!(table.held(ALICE), Observed::Unknown, "the relay may have applied either one last");
    assert!(table.needs_listing());
}

#[test]
fn a_write_under_way_while_its_tenant_is_removed_leaves_its_entry_unknown() {
    let mut table = written(ALICE, 1);
    let begun = table.begin_listing();
    table.merge(begun, &listing(&[(ALICE, held("uid", 1)), (ACME, held("uid", 2))]));
    table.begin_write(ALICE);
    let removal = table.begin_removal(ACME);
    table.remove(ACME, removal);
    assert_eq!(table.held(ALICE), Observed::Unknown, "the relay may apply the write after the removal");
    assert!(table.needs_listing());
}

#[test]
fn a_removal_takes_everything_below_and_a_lost_one_leaves_it_unknown() {
    let mut table = written(ALICE, 1);
    let begun = table.begin_listing();
    table.merge(begun, &listing(&[(ALICE, held("uid", 1)), (ACME, held("uid", 2))]));
    let ticket = table.begin_removal(ACME);
    table.lose(ACME, ticket);
    assert_eq!((table.held(ACME), table.held(ALICE)), (Observed::Unknown, Observed::Unknown));
    let ticket = table.begin_removal(ACME);
    table.remove(ACME, ticket);
    assert_eq!((table.held(ACME), table.held(ALICE)), (Observed::Known(None), Observed::Known(None)));
}

#[test]
fn what_was_written_since_the_listing_began_is_newer_than_the_listing() {
    let mut table = written(ALICE, 1);
    let begun = table.begin_listing();
    let ticket = table.begin_write(ALICE);
    table.acknowledge(ALICE, ticket, held("uid", 2));
    assert_eq!(table.merge(begun, &listing(&[(ALICE, held("uid", 1))])), Vec::<String>::new());
    assert!(table.holds(ALICE, None, [2; 32]));
}

#[test]
fn a_write_in_flight_is_not_made_known_by_a_listing() {
    let mut table = EntryTable::default();
    let ticket = table.begin_write(ALICE);
    let begun = table.begin_listing();
    table.merge(begun, &listing(&[(ALICE, held("uid", 1))]));
    assert_eq!(table.held(ALICE), Observed::Unknown);
    table.lose(ALICE, ticket);
    assert!(table.needs_listing(), "its answer was lost after the listing began");
}

#[test]
fn a_listing_says_where_the_record_was_wrong() {
    let bob = "/admin/v1/tenants/acme/agents/bob";
    let mut table = written(ALICE, 1);
    let begun = table.begin_listing();
    let different = table.merge(begun, &listing(&[(ALICE, held("uid", 9)), (ACME, held("uid", 1))]));
    assert_eq!(different, [ACME, ALICE], "one is new, and one has another content");
    let begun = table.begin_listing();
    let different = table.merge(begun, &listing(&[(ACME, held("other", 1)), (bob, held("uid", 1))]));
    assert_eq!(different, [ACME, bob, ALICE], "another owner, a new one, and one that is gone");
    assert_eq!(table.held(ALICE), Observed::Known(None));
    let begun = table.begin_listing();
    assert!(table.merge(begun, &listing(&[(ACME, held("other", 1)), (bob, held("uid", 1))])).is_empty());
}

#[test]
fn invitations_are_kept_by_a_listing_and_forgotten_with_their_tenant() {
    let mut table = written(INVITATION, 1);
    let begun = table.begin_listing();
    table.merge(begun, &listing(&[(ACME, held("uid", 1))]));
    assert!(table.is_acknowledged(INVITATION, Some(&owner("uid"))));
    let begun = table.begin_listing();
    table.merge(begun, &BTreeMap::new());
    assert!(!table.is_acknowledged(INVITATION, Some(&owner("uid"))));
}

#[test]
fn a_relay_without_digests_only_confirms_that_there_is_an_entry() {
    let mut table = written(ALICE, 1);
    let begun = table.begin_listing();
    let found = Held { owner: None, digest: None, refused_endpoint: None };
    assert!(table.merge(begun, &listing(&[(ALICE, found)])).is_empty());
    assert_eq!(table.held(ALICE), Observed::Known(Some(held("uid", 1))), "own writes count");
}

#[test]
fn a_full_record_forgets_instead_of_growing() {
    let mut table = EntryTable::default();
    for number in 0..=ENTRIES_MAX {
        let path = format!("/admin/v1/tenants/acme/invitations/{number}");
        let ticket = table.begin_write(&path);
        table.acknowledge(&path, ticket, held("uid", 1));
    }
    assert_eq!(table.entries.len(), ENTRIES_MAX);
}

#[test]
fn only_the_content_of_its_own_owner_is_acknowledged() {
    let is_acknowledged = |recorded: Option<Owner>, asks: Option<Owner>| {
        let mut table = EntryTable::default();
        let begun = table.begin_listing();
        table.merge(begun, &listing(&[(ACME, Held { owner: recorded, ..held("uid", 1) })]));
        table.is_acknowledged(ACME, asks.as_ref())
    };
    let ours = || Some(owner("uid"));
    assert!(is_acknowledged(ours(), ours()));
    for other in [Some(owner("other")), Some(Owner::CommandLine), Some(Owner::Registration), None] {
        assert!(!is_acknowledged(other.clone(), ours()), "{other:?}");
        assert!(is_acknowledged(other, None), "a relay that records no owners");
    }
}
