//! Routes: local addresses at which hosts of the cluster are reachable.

use std::net::SocketAddr;

/// A host and port of the cluster, and the forwarded port on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Route {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) local: SocketAddr,
}

/// The local address for a host and port, if it is forwarded.
pub(super) fn find_route(routes: &[Route], host: &str, port: u16) -> Option<SocketAddr> {
    routes.iter().find(|route| route.host == host && route.port == port).map(|route| route.local)
}
