//! Dials another agent: TCP, TLS with both root keys, and the greeting, within one timeout.

use std::sync::Arc;
use std::time::Duration;

use protocol::Did;
use protocol::direct::{DirectEndpoint, DirectRefusal};
use rustls_pki_types::ServerName;
use tokio_rustls::{TlsConnector, TlsStream};

use super::greeting::{self, GreetedLink, broken};
use super::raw_key;
use super::shared::{LinkFailure, Shared};
use crate::connection::first_connection;
use crate::contacts::RootKey;

/// How long all addresses of a peer may take together. Its messages do not wait that long.
const DIRECT_DIAL_TIMEOUT: Duration = Duration::from_secs(5);
/// The name that TLS asks for. It is not sent.
const TLS_NAME: &str = "peer.invalid";

/// Dials the addresses one after the other. A refusal by reason counts more than an address that
/// cannot be reached.
pub(super) async fn dial(
    shared: Arc<Shared>,
    peer: Did,
    endpoints: Vec<DirectEndpoint>,
) -> Result<GreetedLink, LinkFailure> {
    let root =
        shared.state.contacts.root_key(&peer).ok_or(LinkFailure::Refused(DirectRefusal::UnknownPeer))?;
    let attempt = dial_each(&shared, &peer, root, &endpoints);
    let within = tokio::time::timeout(DIRECT_DIAL_TIMEOUT, attempt).await;
    let result = within.unwrap_or_else(|_| Err(broken(&peer, "it did not answer within 5 s")));
    if let Err(LinkFailure::Refused(reason)) = &result {
        tracing::warn!(peer.did = %peer, reason = reason.as_str(), "a direct connection was refused");
    }
    result
}

async fn dial_each(
    shared: &Shared,
    peer: &Did,
    root: RootKey,
    endpoints: &[DirectEndpoint],
) -> Result<GreetedLink, LinkFailure> {
    let mut last = broken(peer, "no address of it is known");
    for endpoint in endpoints {
        match dial_one(shared, peer, root, endpoint).await {
            Ok(greeted) => return Ok(greeted),
            Err(failure) if matches!(last, LinkFailure::Refused(_)) => drop(failure),
            Err(failure) => last = failure,
        }
    }
    Err(last)
}

async fn dial_one(
    shared: &Shared,
    peer: &Did,
    root: RootKey,
    endpoint: &DirectEndpoint,
) -> Result<GreetedLink, LinkFailure> {
    let config = raw_key::client_config(&shared.state.identity(), root).map_err(|e| broken(peer, e))?;
    let name = ServerName::try_from(TLS_NAME).map_err(|e| broken(peer, e))?;
    let addresses = tokio::net::lookup_host((endpoint.host(), endpoint.port())).await;
    let addresses = addresses.map_err(|e| broken(peer, e))?.collect();
    let tcp = first_connection::connect(addresses).await.map_err(|e| broken(peer, e))?;
    // Small frames must not wait for more (Nagle); a socket that cannot be set still works.
    let _ = tcp.set_nodelay(true);
    let stream = TlsConnector::from(Arc::new(config)).connect(name, tcp).await.map_err(|e| {
        if raw_key::is_wrong_key(&e) {
            LinkFailure::Refused(DirectRefusal::WrongKey)
        } else {
            broken(peer, e)
        }
    })?;
    greeting::greet(shared, TlsStream::Client(stream), peer).await
}
