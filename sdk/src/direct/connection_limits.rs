//! Limits the connections that others open, in total and for each address. Pure.

use std::collections::HashMap;
use std::net::IpAddr;

/// Connections that others have open, proven or not: an agent has tens of peers. Further ones are
/// closed at once.
pub(super) const DIRECT_CONNECTIONS_MAX: usize = 256;
/// Connections of one address, or of one IPv6 network of 64 bits: the agents of one machine.
/// Further ones are closed at once.
pub(super) const ADDRESS_CONNECTIONS_MAX: usize = 16;
/// Connections whose key is not proven yet. Further ones are closed at once, so that silent
/// strangers do not take the room of peers.
pub(super) const UNPROVEN_CONNECTIONS_MAX: usize = 32;

/// The connections that are open.
#[derive(Debug, Default)]
pub(super) struct ConnectionTable {
    total: usize,
    unproven: usize,
    by_address: HashMap<IpAddr, usize>,
}

impl ConnectionTable {
    /// Counts a new connection. Returns `false` if it must be closed.
    pub(super) fn admit(&mut self, address: IpAddr) -> bool {
        let of_address = self.by_address.entry(network(address)).or_default();
        let full = self.total >= DIRECT_CONNECTIONS_MAX
            || self.unproven >= UNPROVEN_CONNECTIONS_MAX
            || *of_address >= ADDRESS_CONNECTIONS_MAX;
        if full {
            self.forget_empty(address);
            return false;
        }
        *of_address += 1;
        (self.total, self.unproven) = (self.total + 1, self.unproven + 1);
        true
    }

    pub(super) fn on_proven(&mut self) {
        self.unproven = self.unproven.saturating_sub(1);
    }

    pub(super) fn on_closed(&mut self, address: IpAddr, was_proven: bool) {
        self.total = self.total.saturating_sub(1);
        self.unproven = self.unproven.saturating_sub(usize::from(!was_proven));
        if let Some(count) = self.by_address.get_mut(&network(address)) {
            *count = count.saturating_sub(1);
        }
        self.forget_empty(address);
    }

    fn forget_empty(&mut self, address: IpAddr) {
        let network = network(address);
        if self.by_address.get(&network) == Some(&0) {
            self.by_address.remove(&network);
        }
    }
}

/// The address, or the first 64 bits of an IPv6 address: whoever has one has all of them.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(v4) => v4.into(),
        IpAddr::V6(v6) => std::net::Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn v4(n: usize) -> IpAddr {
        let [.., high, low] = n.to_be_bytes();
        IpAddr::from([10, 0, high, low])
    }

    #[test]
    fn one_address_and_one_network_have_a_share() {
        for addresses in [["192.0.2.1", "192.0.2.1"], ["2001:db8::1", "2001:db8::2"]] {
            let [one, other] = addresses.map(|text| text.parse::<IpAddr>().unwrap());
            let mut table = ConnectionTable::default();
            assert!((0..ADDRESS_CONNECTIONS_MAX).all(|_| table.admit(one)));
            assert!(!table.admit(other));
            table.on_closed(one, false);
            assert!(table.admit(other));
        }
    }

    #[test]
    fn silent_strangers_leave_room_for_who_proves_its_key() {
        let mut table = ConnectionTable::default();
        assert!((0..UNPROVEN_CONNECTIONS_MAX).all(|n| table.admit(v4(n))));
        assert!(!table.admit(v4(500)));
        table.on_proven();
        assert!(table.admit(v4(500)));
    }

    #[test]
    fn a_full_table_takes_nobody_and_is_empty_after_all_have_left() {
        let mut table = ConnectionTable::default();
        for n in 0..DIRECT_CONNECTIONS_MAX {
            assert!(table.admit(v4(n)));
            table.on_proven();
        }
        assert!(!table.admit(v4(999)));
        (0..DIRECT_CONNECTIONS_MAX).for_each(|n| table.on_closed(v4(n), true));
        assert_eq!((table.total, table.unproven, table.by_address.len()), (0, 0, 0));
    }
}
