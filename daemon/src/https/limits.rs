//! The limits of the public listener.

use std::time::Duration;

/// TLS handshakes computed at a time. One takes about 2 ms of CPU. More at a time would delay all
/// of them, and the connections that are already open. A slot covers the computation alone, never a
/// wait for the client.
pub const HANDSHAKES_MAX: usize = 64;

/// TLS handshakes of one client address computed at a time, so that others wait for at
/// most 16 handshakes of one address.
pub const HANDSHAKES_PER_ADDRESS_MAX: usize = 16;

/// Time for the ClientHello after the connection was accepted. It is the client's first packet, and
/// on a lossy network it arrives at the second attempt after 1 s or the third after 3 s.
pub const CLIENT_HELLO_TIMEOUT: Duration = Duration::from_secs(5);

/// Time for a TLS handshake, ClientHello included. Clients give up after about 10 s.
pub const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// Time for the head of a request from its first byte, and for the first request of a connection.
pub const REQUEST_HEAD_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a connection may be idle between two requests. Proxies commonly keep idle connections
/// for 60 s; the side that closes first must be the proxy, or it sends a request into a closed
/// connection.
pub const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(75);

/// Bytes of the head of a request; access tokens have up to 8 KiB, everything else under 1 KiB.
pub const REQUEST_HEAD_BYTES_MAX: usize = 16 * 1024;

/// How long the peer's TCP may leave sent bytes without an acknowledgement (RFC 5482). A lossy
/// network recovers in less time, and a vanished peer is noticed before the idle timeout.
pub const UNACKNOWLEDGED_TIMEOUT: Duration = Duration::from_secs(20);

/// Bytes that the kernel takes for a connection beyond what the peer's window lets it send. With
/// more in the kernel a process could not see whether a slow peer reads at all. It keeps a fast
/// peer busy until the process writes again.
pub const UNSENT_BYTES_MAX: u32 = 64 * 1024;

/// Pause after a failed accept, so that a lack of file descriptors does not become a busy loop.
pub const ACCEPT_RETRY_INTERVAL: Duration = Duration::from_millis(100);

/// Connections that are accepted before everybody else gets a turn: about 0.1 ms of work, with
/// what they cause.
pub const ACCEPTED_PER_TURN_MAX: u32 = 4;

/// Refused connections answered with status 503 at a time; more are closed without an answer. With
/// TLS an answer costs a handshake.
pub const REFUSALS_MAX: usize = 16;

/// Time to answer one refused connection, its TLS handshake included.
pub const REFUSAL_TIMEOUT: Duration = Duration::from_secs(3);

/// The share of all connections that one client address may hold, in percent. A single proxy in
/// front may carry nearly all traffic, and a single stranger never locks out everybody else.
pub const ADDRESS_SHARE_PERCENT: u8 = 75;

/// How many connections one listener serves, and how long it waits for clients.
///
/// A connection is pending until its first request has a complete head: the time in which a client
/// costs a slot and has shown nothing yet. When a pending limit is reached, the connection that has
/// been pending for the longest time is closed in favour of the new one, so that silent connections
/// cannot keep out clients that do send something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListenerLimits {
    /// Connections at a time; more are answered with status 503.
    pub connections: usize,
    /// Connections of one client address (IPv6: one /64 network) at a time; more are answered with
    /// status 503. Many clients share one address behind a NAT, an ingress controller, or a
    /// Kubernetes Service that replaces client addresses by node addresses.
    pub connections_per_address: usize,
    /// Pending connections at a time.
    pub pending: usize,
    /// Pending connections of one client address at a time.
    pub pending_per_address: usize,
    /// See [`CLIENT_HELLO_TIMEOUT`].
    pub client_hello_timeout: Duration,
    /// See [`HANDSHAKE_TIMEOUT`].
    pub handshake_timeout: Duration,
    /// See [`REQUEST_HEAD_TIMEOUT`].
    pub request_head_timeout: Duration,
    /// See [`KEEP_ALIVE_TIMEOUT`].
    pub keep_alive_timeout: Duration,
}

impl ListenerLimits {
    /// The limits of a listener of `connections` connections. One address may hold
    /// [`ADDRESS_SHARE_PERCENT`] of them. Half of them may be pending, a quarter for one address:
    /// silent connections never fill the listener.
    #[must_use]
    pub const fn new(connections: usize) -> Self {
        Self {
            connections,
            connections_per_address: at_least_one(share(connections, ADDRESS_SHARE_PERCENT)),
            pending: at_least_one(connections / 2),
            pending_per_address: at_least_one(connections / 4),
            client_hello_timeout: CLIENT_HELLO_TIMEOUT,
            handshake_timeout: HANDSHAKE_TIMEOUT,
            request_head_timeout: REQUEST_HEAD_TIMEOUT,
            keep_alive_timeout: KEEP_ALIVE_TIMEOUT,
        }
    }

    /// Sets the share of the connections that one client address may hold; 100 removes the limit.
    #[must_use]
    pub const fn with_address_share(mut self, percent: u8) -> Self {
        self.connections_per_address = at_least_one(share(self.connections, percent));
        self
    }
}

const fn share(connections: usize, percent: u8) -> usize {
    connections.saturating_mul(percent as usize) / 100
}

const fn at_least_one(count: usize) -> usize {
    if count == 0 { 1 } else { count }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_address_holds_three_quarters_and_may_be_given_all() {
        let limits = ListenerLimits::new(10_000);
        assert_eq!((limits.connections_per_address, limits.pending_per_address), (7_500, 2_500));
        assert_eq!(limits.with_address_share(ADDRESS_SHARE_PERCENT), limits);
        assert_eq!(limits.with_address_share(100).connections_per_address, 10_000);
    }

    #[test]
    fn the_smallest_listener_admits_one_connection() {
        let limits = ListenerLimits::new(1);
        let counts = [limits.connections_per_address, limits.pending, limits.pending_per_address];
        assert_eq!(counts, [1; 3]);
    }
}
