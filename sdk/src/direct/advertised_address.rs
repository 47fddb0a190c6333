//! Chooses the address that the record lists for an agent that listens.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

use protocol::direct::DirectEndpoint;

use crate::config::Config;

/// The address that others can dial, if one is known.
pub(super) async fn choose(config: &Config, local: SocketAddr) -> Option<DirectEndpoint> {
    let relay = relay_address(config).await;
    let outbound = relay.and_then(outbound_address);
    decide(local, outbound, relay.is_none_or(|relay| relay.ip().to_canonical().is_loopback()))
}

/// A wildcard stands for the address that this machine uses towards the relay. A loopback address
/// is listed only if the relay is on this machine, or if there is none: others cannot dial it.
fn decide(local: SocketAddr, outbound: Option<IpAddr>, is_one_machine: bool) -> Option<DirectEndpoint> {
    let local_ip = local.ip().to_canonical();
    let address = if local_ip.is_unspecified() { outbound?.to_canonical() } else { local_ip };
    if address.is_loopback() && !is_one_machine {
        return None;
    }
    DirectEndpoint::new(&address.to_string(), local.port()).ok()
}

async fn relay_address(config: &Config) -> Option<SocketAddr> {
    let endpoint = &config.relay.as_ref()?.endpoint;
    tokio::net::lookup_host((endpoint.host(), endpoint.port())).await.ok()?.next()
}

/// The address from which this machine reaches another. Connecting a UDP socket sends nothing.
fn outbound_address(relay: SocketAddr) -> Option<IpAddr> {
    let any: IpAddr =
        if relay.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind((any, 0)).ok()?;
    socket.connect(relay).ok()?;
    Some(socket.local_addr().ok()?.ip())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(local: &str, outbound: Option<&str>, is_one_machine: bool) -> Option<String> {
        let outbound = outbound.map(|text| text.parse().unwrap());
        decide(local.parse().unwrap(), outbound, is_one_machine).map(|endpoint| endpoint.to_string())
    }

    #[test]
    fn a_wildcard_is_never_listed() {
        assert_eq!(listed("0.0.0.0:7443", None, true), None);
        assert_eq!(listed("[::]:7443", Some("::"), true), None);
        assert_eq!(listed("[::]:7443", Some("192.0.2.7"), false).unwrap(), "tls://192.0.2.7:7443");
    }

    #[test]
    fn loopback_is_listed_on_one_machine_only() {
        assert_eq!(listed("127.0.0.1:7443", None, true).unwrap(), "tls://127.0.0.1:7443");
        assert_eq!(listed("127.0.0.1:7443", Some("192.0.2.7"), false), None);
        assert_eq!(listed("0.0.0.0:7443", Some("127.0.0.1"), false), None);
        assert_eq!(listed("192.0.2.7:7443", Some("192.0.2.9"), false).unwrap(), "tls://192.0.2.7:7443");
    }
}
