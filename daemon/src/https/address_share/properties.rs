//! Any sequence of events leaves the counts right.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use proptest::prelude::*;

use super::*;

#[derive(Debug, Clone)]
enum Event {
    /// From the address with this last byte.
    Admit(u8),
    /// Of the nth connection ever admitted.
    BeginRequest(usize),
    Close(usize),
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        3 => (0_u8..5).prop_map(Event::Admit),
        2 => (0_usize..40).prop_map(Event::BeginRequest),
        2 => (0_usize..40).prop_map(Event::Close),
    ]
}

fn limits() -> impl Strategy<Value = ListenerLimits> {
    (1_usize..12, 1_usize..8, 1_usize..8, 1_usize..5).prop_map(
        |(connections, each, pending, pending_each)| ListenerLimits {
            connections,
            connections_per_address: each,
            pending,
            pending_per_address: pending_each,
            ..ListenerLimits::new(connections)
        },
    )
}

/// What is open, in the plainest form.
#[derive(Default)]
struct Model {
    admitted: Vec<ConnectionId>,
    open: BTreeMap<ConnectionId, u8>,
    pending: BTreeSet<ConnectionId>,
}

impl Model {
    fn of(&self, address: u8) -> usize {
        self.open.values().filter(|held| **held == address).count()
    }

    fn pending_of(&self, address: u8) -> usize {
        self.pending.iter().filter(|id| self.open[id] == address).count()
    }

    fn apply(&mut self, table: &mut AddressTable<usize>, event: &Event) {
        match *event {
            Event::Admit(address) => self.admit(table, address),
            Event::BeginRequest(nth) => {
                let Some(id) = self.admitted.get(nth) else { return };
                assert_eq!(table.begin_request(*id), self.open.contains_key(id));
                self.pending.remove(id);
            }
            Event::Close(nth) => {
                let Some(id) = self.admitted.get(nth) else { return };
                table.close(*id);
                self.pending.remove(id);
                self.open.remove(id);
            }
        }
    }

    fn admit(&mut self, table: &mut AddressTable<usize>, address: u8) {
        let limits = table.limits;
        let expected = if self.open.len() >= limits.connections {
            Some(AtLimit::Connections)
        } else {
            (self.of(address) >= limits.connections_per_address).then_some(AtLimit::Address)
        };
        let network = ClientNetwork::V4(Ipv4Addr::new(192, 0, 2, address));
        match table.admit(network, self.admitted.len()) {
            Err(refused) => assert_eq!(Some(refused), expected),
            Ok(Admitted { id, displaced }) => {
                assert_eq!(expected, None);
                if let Some(nth) = displaced {
                    let id = self.admitted[nth];
                    assert!(self.pending.remove(&id), "only a pending connection is displaced");
                    self.open.remove(&id);
                }
                self.admitted.push(id);
                self.open.insert(id, address);
                self.pending.insert(id);
            }
        }
    }

    fn check(&self, table: &AddressTable<usize>) {
        let limits = table.limits;
        assert!(self.open.len() <= limits.connections && self.pending.len() <= limits.pending);
        assert_eq!((table.open.len(), table.pending.len()), (self.open.len(), self.pending.len()));
        let addresses: BTreeSet<_> = self.open.values().copied().collect();
        assert_eq!(table.shares.len(), addresses.len(), "no entry without a connection");
        for address in addresses {
            let share = &table.shares[&ClientNetwork::V4(Ipv4Addr::new(192, 0, 2, address))];
            assert_eq!(share.connections, self.of(address));
            assert_eq!(share.pending.len(), self.pending_of(address));
            assert!(share.connections <= limits.connections_per_address);
            assert!(share.pending.len() <= limits.pending_per_address);
        }
    }
}

proptest! {
    #[test]
    fn counts_agree_with_what_is_open_and_stay_within_the_limits(
        limits in limits(),
        events in prop::collection::vec(event(), 0..120),
    ) {
        let (mut table, mut model) = (AddressTable::new(limits), Model::default());
        for event in &events {
            model.apply(&mut table, event);
            model.check(&table);
        }
    }

    #[test]
    fn a_table_whose_connections_have_all_ended_is_empty(
        limits in limits(),
        events in prop::collection::vec(event(), 0..120),
    ) {
        let (mut table, mut model) = (AddressTable::new(limits), Model::default());
        for event in &events {
            model.apply(&mut table, event);
        }
        for id in model.admitted {
            table.close(id);
            table.close(id);
        }
        prop_assert!(table.open.is_empty() && table.pending.is_empty() && table.shares.is_empty());
    }
}
