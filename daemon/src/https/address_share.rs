//! Counts the connections of each client address. Pure.
//!
//! IPv6 clients count by their /64 network, the smallest that one customer of a provider gets.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::{IpAddr, Ipv4Addr};

use super::limits::ListenerLimits;

#[cfg(test)]
mod properties;

/// The unit in which client addresses are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ClientNetwork {
    V4(Ipv4Addr),
    /// The first 64 bits.
    V6(u64),
}

impl From<IpAddr> for ClientNetwork {
    /// An IPv4 client of a dual-stack socket has an address such as `::ffff:192.0.2.1`, and all of
    /// these share one /64; they count as IPv4.
    fn from(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self::V4(address),
            IpAddr::V6(address) => {
                let [a, b, c, d, ..] = address.segments().map(u64::from);
                Self::V6(a << 48 | b << 32 | c << 16 | d)
            }
        }
    }
}

/// Ascends with the time of the accept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct ConnectionId(u64);

/// A connection that may stay.
#[derive(Debug)]
pub(super) struct Admitted<H> {
    pub(super) id: ConnectionId,
    /// The handle of the pending connection whose slot this one got.
    pub(super) displaced: Option<H>,
}

/// Why a connection may not stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AtLimit {
    /// The listener has no free slot.
    Connections,
    /// The client's address holds all slots that it may hold.
    Address,
}

/// The open connections by client address. `H` is the handle by which a pending connection is
/// closed.
#[derive(Debug)]
pub(super) struct AddressTable<H> {
    limits: ListenerLimits,
    next: u64,
    open: HashMap<ConnectionId, ClientNetwork>,
    pending: BTreeMap<ConnectionId, H>,
    /// Has an entry for each network with an open connection, and no other.
    shares: HashMap<ClientNetwork, Share>,
}

#[derive(Debug, Default)]
struct Share {
    connections: usize,
    pending: BTreeSet<ConnectionId>,
}

impl<H> AddressTable<H> {
    pub(super) fn new(limits: ListenerLimits) -> Self {
        Self { limits, next: 0, open: HashMap::new(), pending: BTreeMap::new(), shares: HashMap::new() }
    }

    /// Counts a new connection, which is pending.
    pub(super) fn admit(&mut self, network: ClientNetwork, handle: H) -> Result<Admitted<H>, AtLimit> {
        if self.open.len() >= self.limits.connections {
            return Err(AtLimit::Connections);
        }
        let held = self.shares.get(&network).map_or(0, |share| share.connections);
        if held >= self.limits.connections_per_address {
            return Err(AtLimit::Address);
        }
        let displaced = self.displace(network);
        let id = ConnectionId(self.next);
        self.next += 1;
        let share = self.shares.entry(network).or_default();
        share.connections += 1;
        share.pending.insert(id);
        self.open.insert(id, network);
        self.pending.insert(id, handle);
        Ok(Admitted { id, displaced })
    }

    /// Frees the slot of the longest pending connection when there may be no further pending one.
    fn displace(&mut self, network: ClientNetwork) -> Option<H> {
        let share = self.shares.get(&network);
        let of_network = share.filter(|share| share.pending.len() >= self.limits.pending_per_address);
        let oldest = match of_network {
            Some(share) => share.pending.first(),
            None if self.pending.len() >= self.limits.pending => self.pending.keys().next(),
            None => None,
        };
        oldest.copied().and_then(|id| self.close(id))
    }

    /// The connection has sent the head of a request and is no longer pending. Returns `false` if
    /// it has lost its slot.
    pub(super) fn begin_request(&mut self, id: ConnectionId) -> bool {
        self.end_pending(id);
        self.open.contains_key(&id)
    }

    fn end_pending(&mut self, id: ConnectionId) -> Option<H> {
        let share = self.open.get(&id).and_then(|network| self.shares.get_mut(network));
        share?.pending.remove(&id);
        self.pending.remove(&id)
    }

    /// Frees the slot of a connection, and returns its handle if it was pending. A second call for
    /// the same connection changes nothing.
    pub(super) fn close(&mut self, id: ConnectionId) -> Option<H> {
        let handle = self.end_pending(id);
        let network = self.open.remove(&id)?;
        let share = self.shares.get_mut(&network)?;
        share.connections -= 1;
        if share.connections == 0 {
            self.shares.remove(&network);
        }
        handle
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(text: &str) -> ClientNetwork {
        ClientNetwork::from(text.parse::<IpAddr>().unwrap())
    }

    fn table(
        connections: usize,
        per_address: usize,
        pending: usize,
        each: usize,
    ) -> AddressTable<&'static str> {
        AddressTable::new(ListenerLimits {
            connections,
            connections_per_address: per_address,
            pending,
            pending_per_address: each,
            ..ListenerLimits::new(connections)
        })
    }

    #[test]
    fn addresses_of_one_64_network_count_as_one() {
        assert_eq!(network("2001:db8:1:2::1"), network("2001:db8:1:2:ffff::9"));
        assert_ne!(network("2001:db8:1:2::1"), network("2001:db8:1:3::1"));
        assert_ne!(network("192.0.2.1"), network("192.0.2.2"));
    }

    #[test]
    fn a_mapped_address_counts_as_its_ipv4_address() {
        assert_eq!(network("::ffff:192.0.2.1"), network("192.0.2.1"));
        assert_ne!(network("::ffff:192.0.2.1"), network("::ffff:192.0.2.2"));
    }

    #[test]
    fn an_address_at_its_share_is_refused_until_one_of_its_connections_ends() {
        let mut table = table(10, 2, 10, 10);
        let (one, other) = (network("192.0.2.1"), network("192.0.2.2"));
        let first = table.admit(one, "first").unwrap().id;
        table.admit(one, "second").unwrap();
        assert_eq!(table.admit(one, "third").unwrap_err(), AtLimit::Address);
        table.admit(other, "other").unwrap();
        table.close(first);
        table.admit(one, "third").unwrap();
    }

    #[test]
    fn a_full_listener_refuses_every_address() {
        let mut table = table(1, 1, 1, 1);
        let held = table.admit(network("192.0.2.1"), "held").unwrap().id;
        assert_eq!(table.admit(network("192.0.2.2"), "other").unwrap_err(), AtLimit::Connections);
        table.close(held);
        table.admit(network("192.0.2.2"), "other").unwrap();
    }

    #[test]
    fn the_longest_pending_connection_of_the_same_address_goes_first() {
        let mut table = table(10, 10, 10, 2);
        let (one, other) = (network("192.0.2.1"), network("192.0.2.2"));
        table.admit(other, "other").unwrap();
        let first = table.admit(one, "first").unwrap().id;
        table.admit(one, "second").unwrap();
        assert_eq!(table.admit(one, "third").unwrap().displaced, Some("first"));
        assert_eq!(table.close(first), None, "its slot is free already");
        assert_eq!(table.admit(one, "fourth").unwrap().displaced, Some("second"));
    }

    #[test]
    fn a_connection_that_sent_a_request_is_not_displaced() {
        let mut table = table(10, 10, 10, 1);
        let one = network("192.0.2.1");
        let first = table.admit(one, "first").unwrap().id;
        assert!(table.begin_request(first));
        assert_eq!(table.admit(one, "second").unwrap().displaced, None);
        assert_eq!(table.admit(one, "third").unwrap().displaced, Some("second"));
    }

    #[test]
    fn a_request_of_a_displaced_connection_comes_too_late() {
        let mut table = table(10, 10, 10, 1);
        let one = network("192.0.2.1");
        let first = table.admit(one, "first").unwrap().id;
        table.admit(one, "second").unwrap();
        assert!(!table.begin_request(first));
    }

    #[test]
    fn where_many_addresses_are_pending_the_longest_pending_of_all_goes() {
        let mut table = table(10, 10, 2, 2);
        let networks = ["192.0.2.1", "192.0.2.2", "192.0.2.3"].map(network);
        table.admit(networks[0], "first").unwrap();
        table.admit(networks[1], "second").unwrap();
        assert_eq!(table.admit(networks[2], "third").unwrap().displaced, Some("first"));
    }
}
