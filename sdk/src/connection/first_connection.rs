//! Connects to the first address of a host that answers, after RFC 8305: the next one is tried when
//! one fails, or has not answered for a moment. So a broken IPv6 route does not take all the time.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use tokio::net::TcpStream;
use tokio::time::sleep;

/// How long one address may take before the next is tried as well, as RFC 8305 recommends.
const NEXT_ADDRESS_INTERVAL: Duration = Duration::from_millis(250);
/// Addresses that are tried. A relay has two families and a few replicas.
const ADDRESSES_MAX: usize = 16;

pub(crate) async fn connect(addresses: Vec<SocketAddr>) -> io::Result<TcpStream> {
    let mut waiting = alternate(addresses);
    let mut attempts = FuturesUnordered::new();
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    loop {
        if let Some(address) = waiting.pop_front() {
            attempts.push(TcpStream::connect(address));
        } else if attempts.is_empty() {
            return Err(last);
        }
        tokio::select! {
            Some(attempt) = attempts.next() => match attempt {
                Ok(stream) => return Ok(stream),
                Err(error) => last = error,
            },
            () = sleep(NEXT_ADDRESS_INTERVAL), if !waiting.is_empty() => {}
        }
    }
}

/// The addresses in turns of their families, beginning with the resolver's first.
fn alternate(addresses: Vec<SocketAddr>) -> VecDeque<SocketAddr> {
    let first_is_v6 = addresses.first().is_some_and(SocketAddr::is_ipv6);
    let (first, second): (Vec<_>, Vec<_>) =
        addresses.into_iter().partition(|address| address.is_ipv6() == first_is_v6);
    let (mut first, mut second) = (first.into_iter(), second.into_iter());
    let mut order = VecDeque::new();
    while order.len() < ADDRESSES_MAX {
        let before = order.len();
        order.extend(first.next());
        order.extend(second.next());
        if order.len() == before {
            break;
        }
    }
    order
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    #[test]
    fn the_families_take_turns() {
        let parse = |text: &str| text.parse::<SocketAddr>().unwrap();
        let [a6, b6, a4] = ["[2001:db8::1]:1", "[2001:db8::2]:1", "192.0.2.1:1"].map(parse);
        assert_eq!(alternate(vec![a6, b6, a4]), [a6, a4, b6]);
        assert_eq!(alternate(Vec::new()), []);
    }

    #[tokio::test]
    async fn an_address_that_never_answers_does_not_keep_from_the_next() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let good = listener.local_addr().unwrap();
        // A discard-only network: packets to it go nowhere, or are refused at once.
        let silent = "[100::1]:9".parse().unwrap();
        let connected = connect(vec![silent, good]).await.unwrap();
        assert_eq!(connected.peer_addr().unwrap(), good);
        assert!(connect(Vec::new()).await.is_err());
    }
}
