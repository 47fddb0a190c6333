//! Listeners accept clients of both families.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use msg2agent_daemon::listen;
use tokio::net::TcpStream;

#[tokio::test]
async fn a_listener_on_every_address_accepts_ipv4_and_ipv6() {
    let listener = listen::bind(listen::every_address(0)).await.unwrap();
    let bound = listener.local_addr().unwrap();
    let (client, accepted) =
        tokio::join!(TcpStream::connect((Ipv4Addr::LOCALHOST, bound.port())), listener.accept());
    assert_eq!(accepted.unwrap().1.ip().to_canonical(), Ipv4Addr::LOCALHOST);
    assert_eq!(client.unwrap().peer_addr().unwrap().port(), bound.port());
    // A host without IPv6 has no client of IPv6 either.
    if bound.is_ipv6() {
        let (client, accepted) =
            tokio::join!(TcpStream::connect((Ipv6Addr::LOCALHOST, bound.port())), listener.accept());
        assert_eq!(accepted.unwrap().1.ip(), client.unwrap().local_addr().unwrap().ip());
    }
}

#[tokio::test]
async fn an_address_in_use_is_an_error_and_not_a_reason_for_ipv4() {
    let first = listen::bind(listen::every_address(0)).await.unwrap();
    let error = listen::bind(first.local_addr().unwrap()).await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::AddrInUse);
}

#[tokio::test]
async fn an_address_of_one_family_is_taken_as_it_is() {
    let listener = listen::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await.unwrap();
    assert_eq!(listener.local_addr().unwrap().ip(), Ipv4Addr::LOCALHOST);
}
