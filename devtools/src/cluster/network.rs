//! Assigns the addresses of a built-in cluster. A slot number gives every subnet, so that clusters
//! on one machine never overlap. Pure.

use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

/// Clusters that can run on one machine at once: the 10.96.0.0/16 of all Services is cut into this
/// many /20 parts.
pub const SLOT_LIMIT: u8 = 16;

/// Port of the API server on the node.
pub const API_PORT: u16 = 6443;

/// Which of the [`SLOT_LIMIT`] sets of subnets a cluster uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Network {
    slot: u8,
}

impl Network {
    /// Every network this machine could give a cluster, lowest first.
    pub fn candidates() -> impl Iterator<Item = Self> {
        (0..SLOT_LIMIT).map(|slot| Self { slot })
    }

    /// The node: API server, kubelet, DNS.
    pub fn node(self) -> Ipv4Addr {
        Ipv4Addr::new(10, 250, self.slot, 1)
    }

    /// The machine that runs the cluster, as seen from the node.
    pub fn outside(self) -> Ipv4Addr {
        Ipv4Addr::new(10, 250, self.slot, 2)
    }

    /// Service addresses, a /20.
    pub fn services(self) -> String {
        format!("10.96.{}.0/20", self.slot * 16)
    }

    /// Address of the Service `kubernetes`: the first of the range.
    pub fn api_service(self) -> Ipv4Addr {
        Ipv4Addr::new(10, 96, self.slot * 16, 1)
    }

    /// Pod addresses, a /24.
    pub fn pods(self) -> String {
        format!("10.244.{}.0/24", self.slot)
    }

    /// Name of the link on the machine's side; the kernel allows 15 characters.
    pub fn link(self) -> String {
        format!("m2a{}", self.slot)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn two_slots_share_no_subnet() {
        let mut seen = HashSet::new();
        for network in Network::candidates() {
            assert!(seen.insert(network.services()), "{network:?} repeats {}", network.services());
            assert!(seen.insert(network.pods()), "{network:?} repeats {}", network.pods());
            assert!(seen.insert(network.node().to_string()));
            assert!(seen.insert(network.link()));
        }
        assert_eq!(seen.len(), usize::from(SLOT_LIMIT) * 4);
    }

    #[test]
    fn the_last_slot_stays_inside_its_octet() {
        let last = Network::candidates().last().unwrap();
        assert_eq!(last.services(), "10.96.240.0/20");
        assert_eq!(last.api_service(), Ipv4Addr::new(10, 96, 240, 1));
    }
}
