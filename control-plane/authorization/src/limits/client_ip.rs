//! The IP address that a request is rate limited by, taken from trusted proxies where there are
//! any. Pure.

use std::net::{IpAddr, SocketAddr};

use axum::http::HeaderMap;
use ipnet::IpNet;

/// Networks of reverse proxies whose `X-Forwarded-For` header is trusted.
#[derive(Debug, Clone)]
pub(crate) struct TrustedProxies(Vec<IpNet>);

impl TrustedProxies {
    pub(crate) const fn new(networks: Vec<IpNet>) -> Self {
        Self(networks)
    }

    /// The client's address: the peer of the connection or, behind a trusted proxy, the last
    /// address in `X-Forwarded-For` that is not a trusted proxy.
    pub(crate) fn client_ip(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let values = headers.get_all("x-forwarded-for").into_iter();
        let forwarded: Vec<_> = values.filter_map(|value| value.to_str().ok()).collect();
        client_ip(peer, &forwarded, &self.0)
    }
}

fn client_ip(peer: IpAddr, forwarded_for: &[&str], trusted: &[IpNet]) -> IpAddr {
    let is_trusted = |address: &IpAddr| trusted.iter().any(|network| network.contains(address));
    let peer = peer.to_canonical();
    if !is_trusted(&peer) {
        return peer;
    }
    let hops = forwarded_for.iter().flat_map(|value| value.split(','));
    let mut client = peer;
    for hop in hops.rev() {
        // Entries before an unreadable one were not written by a trusted proxy.
        let Some(address) = address_in(hop.trim()) else { break };
        client = address.to_canonical();
        if !is_trusted(&client) {
            break;
        }
    }
    client
}

/// The address of an entry, which some proxies write with the port.
fn address_in(hop: &str) -> Option<IpAddr> {
    let with_port = || hop.parse::<SocketAddr>().ok().map(|address| address.ip());
    hop.parse().ok().or_else(with_port)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_trusted_proxies_are_believed() {
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        let trusted = ["10.0.0.0/8".parse().unwrap()];
        assert_eq!(client_ip(ip("192.0.2.9"), &["1.2.3.4"], &trusted), ip("192.0.2.9"));
        assert_eq!(client_ip(ip("10.0.0.1"), &["1.2.3.4, 5.6.7.8"], &trusted), ip("5.6.7.8"));
        assert_eq!(client_ip(ip("10.0.0.1"), &["1.2.3.4", "5.6.7.8, 10.9.9.9"], &trusted), ip("5.6.7.8"));
        assert_eq!(client_ip(ip("10.0.0.1"), &["1.2.3.4, nonsense"], &trusted), ip("10.0.0.1"));
        assert_eq!(client_ip(ip("10.0.0.1"), &[], &trusted), ip("10.0.0.1"));
        assert_eq!(client_ip(ip("::ffff:10.0.0.1"), &["1.2.3.4"], &trusted), ip("1.2.3.4"));
    }

    #[test]
    fn an_address_with_a_port_is_the_address() {
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        let trusted = ["10.0.0.0/8".parse().unwrap()];
        assert_eq!(client_ip(ip("10.0.0.1"), &["203.0.113.7:5678"], &trusted), ip("203.0.113.7"));
        let forwarded = ["[2001:db8::7]:5678, 10.0.0.2:80"];
        assert_eq!(client_ip(ip("10.0.0.1"), &forwarded, &trusted), ip("2001:db8::7"));
    }
}
