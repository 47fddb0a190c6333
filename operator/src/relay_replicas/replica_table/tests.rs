//! Tests of which answers keep a store's record.

use super::*;

const PATH: &str = "/admin/v1/tenants/acme";

fn address(last: u8) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, last], 8082))
}

fn answer(last: u8, instance: &str, version: u64) -> (SocketAddr, Version) {
    let version = Version {
        version,
        instance: instance.into(),
        domain: "example.com".parse().unwrap(),
        build: "0.1.0".into(),
        capabilities: [capability::OWNERS, capability::BULK].map(str::to_owned).into(),
    };
    (address(last), version)
}

fn owner() -> Owner {
    Owner::Kubernetes("uid".into())
}

fn body() -> Value {
    serde_json::json!({"displayName": "Acme", "suspended": false})
}

fn write(table: &mut ReplicaTable, instance: &str, version: u64) {
    let replica = table.get_mut(instance).unwrap();
    let digest = RelayContent::new(PATH, &body(), &replica.capabilities).digest;
    let ticket = replica.entries.begin_write(PATH);
    let held = Held { owner: Some(owner()), digest: Some(digest), refused_endpoint: None };
    replica.entries.acknowledge(PATH, ticket, held);
    table.reached(instance, version);
}

#[test]
fn a_pod_with_another_address_and_the_same_store_keeps_what_it_acknowledged() {
    let mut table = ReplicaTable::default();
    assert!(table.update(&[answer(1, "a", 3)]).is_fresh);
    write(&mut table, "a", 5);
    let contact = table.update(&[answer(2, "a", 9)]);
    assert!(!contact.is_fresh);
    let versions = (contact.version, contact.acknowledged);
    assert_eq!(versions, (Some(9), Some(5)), "registrations of agents move the relay's version, not ours");
    assert!(table.missing(PATH, &body(), &owner(), false).is_empty());
    assert_eq!(table.addresses(), [address(2)].into());
}

#[test]
fn a_lost_or_restored_store_is_written_to_from_the_start() {
    for answer_after in [answer(1, "b", 9), answer(1, "a", 4)] {
        let mut table = ReplicaTable::default();
        table.update(&[answer(1, "a", 3)]);
        write(&mut table, "a", 5);
        assert!(table.update(&[answer_after]).is_fresh);
        assert!(!table.is_acknowledged(PATH, &owner()));
        assert_eq!(table.missing(PATH, &body(), &owner(), false).len(), 1);
    }
}

#[test]
fn replicas_that_share_a_store_are_written_to_once() {
    let mut table = ReplicaTable::default();
    let contact = table.update(&[answer(1, "a", 3), answer(2, "a", 3)]);
    assert_eq!((contact.reachable, table.missing(PATH, &body(), &owner(), false).len()), (2, 1));
}

#[test]
fn the_same_content_of_another_owner_is_written() {
    let mut table = ReplicaTable::default();
    table.update(&[answer(1, "a", 3)]);
    write(&mut table, "a", 5);
    let other = Owner::Kubernetes("other".into());
    assert_eq!(table.missing(PATH, &body(), &other, false).len(), 1);
    assert_eq!(table.progress(PATH, &body(), &other), Progress { acknowledged: 0, ready: 1 });
    assert!(table.progress(PATH, &body(), &owner()).is_complete());
}

#[test]
fn a_tenant_of_somebody_else_is_not_acknowledged_unless_the_relay_records_no_owners() {
    let (address, mut version) = answer(1, "a", 3);
    for is_recorded in [true, false] {
        version.capabilities.retain(|word| is_recorded && word == capability::OWNERS);
        let mut table = ReplicaTable::default();
        table.update(&[(address, version.clone())]);
        write(&mut table, "a", 5);
        assert!(table.is_acknowledged(PATH, &owner()));
        assert_eq!(table.is_acknowledged(PATH, &Owner::Kubernetes("other".into())), !is_recorded);
    }
}

#[test]
fn a_condition_on_the_owner_is_not_sent_to_a_relay_that_would_ignore_it() {
    let mut table = ReplicaTable::default();
    let (address, mut version) = answer(1, "a", 3);
    version.capabilities.clear();
    table.update(&[(address, version)]);
    assert!(table.missing(PATH, &body(), &owner(), true).is_empty());
    assert_eq!(table.missing(PATH, &body(), &owner(), false).len(), 1);
}

#[test]
fn a_batch_is_planned_only_for_agents_at_a_relay_that_knows_it() {
    let mut table = ReplicaTable::default();
    table.update(&[answer(1, "a", 3)]);
    let agent = serde_json::json!({"suspended": false, "keys": []});
    let is_bulk = |table: &ReplicaTable, path: &str, body: &Value| {
        table.missing(path, body, &owner(), false).first().map(|planned| planned.is_bulk)
    };
    assert_eq!(is_bulk(&table, "/admin/v1/tenants/acme/agents/alice", &agent), Some(true));
    assert_eq!(is_bulk(&table, PATH, &body()), Some(false));
    let (address, mut version) = answer(1, "b", 3);
    version.capabilities.clear();
    table.update(&[(address, version)]);
    assert_eq!(is_bulk(&table, "/admin/v1/tenants/acme/agents/alice", &agent), Some(false));
}

#[test]
fn who_holds_an_entry_is_unknown_until_every_store_was_listed() {
    let mut table = ReplicaTable::default();
    assert_eq!(table.held(PATH), Observed::Unknown, "there is no store");
    table.update(&[answer(1, "a", 3), answer(2, "b", 3)]);
    let list = |table: &mut ReplicaTable, instance: &str, entries: &BTreeMap<String, Held>| {
        let entry_table = &mut table.get_mut(instance).unwrap().entries;
        let ticket = entry_table.begin_listing();
        entry_table.merge(ticket, entries);
    };
    let held = Held { owner: Some(owner()), digest: None, refused_endpoint: None };
    list(&mut table, "a", &BTreeMap::new());
    assert_eq!(table.held(PATH), Observed::Unknown);
    list(&mut table, "b", &[(PATH.to_owned(), held.clone())].into());
    assert_eq!(table.held(PATH), Observed::Known(Some(held)));
}

#[test]
fn nothing_is_complete_without_a_replica() {
    assert!(!Progress { acknowledged: 0, ready: 0 }.is_complete());
    assert!(!Progress { acknowledged: 1, ready: 2 }.is_complete());
    assert!(Progress { acknowledged: 2, ready: 2 }.is_complete());
}
