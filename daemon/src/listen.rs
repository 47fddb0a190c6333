//! Opens the listeners of every program, on hosts with IPv4, with IPv6 and with both.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use rustix::io::Errno;
use socket2::SockRef;
use tokio::net::{TcpListener, TcpSocket};

/// Connections that the kernel holds until the program accepts them. It is the value that the
/// standard library and tokio use.
const BACKLOG: u32 = 1024;

/// All addresses of the host, of both families: `[::]` with this port.
#[must_use]
pub const fn every_address(port: u16) -> SocketAddr {
    SocketAddr::new(std::net::IpAddr::V6(Ipv6Addr::UNSPECIFIED), port)
}

/// Opens a listener on `address`.
///
/// `[::]` accepts clients of both families, whatever the host's `net.ipv6.bindv6only` says. On a
/// host without IPv6 it listens on `0.0.0.0` instead. Clients of IPv4 then have addresses such as
/// `::ffff:192.0.2.1`, which [`std::net::IpAddr::to_canonical`] turns into those of IPv4.
///
/// # Errors
/// The address is in use or is not one of this host.
pub async fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    if address.ip() != Ipv6Addr::UNSPECIFIED {
        return TcpListener::bind(address).await;
    }
    match bind_both_families(address) {
        Err(error) if is_without_ipv6(&error) => {
            TcpListener::bind((Ipv4Addr::UNSPECIFIED, address.port())).await
        }
        bound => bound,
    }
}

fn bind_both_families(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = TcpSocket::new_v6()?;
    SockRef::from(&socket).set_only_v6(false)?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Whether the error means that the host has no IPv6. A kernel without it has no such sockets, and
/// one where it is switched off has no such addresses.
fn is_without_ipv6(error: &io::Error) -> bool {
    matches!(
        Errno::from_io_error(error),
        Some(Errno::AFNOSUPPORT | Errno::PROTONOSUPPORT | Errno::ADDRNOTAVAIL)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_error_that_means_no_ipv6_falls_back_to_ipv4() {
        for errno in [Errno::AFNOSUPPORT, Errno::PROTONOSUPPORT, Errno::ADDRNOTAVAIL] {
            assert!(is_without_ipv6(&errno.into()), "{errno}");
        }
        for errno in [Errno::ADDRINUSE, Errno::ACCESS, Errno::MFILE] {
            assert!(!is_without_ipv6(&errno.into()), "{errno}");
        }
    }

    #[test]
    fn every_address_is_written_in_brackets() {
        assert_eq!(every_address(8443).to_string(), "[::]:8443");
    }
}
