//! Resolves host names to addresses that may be connected to.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use futures::future::BoxFuture;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use crate::public_address::is_public;

/// Time for resolving a host name before it is given to the proxy. Sign-in pages wait for it.
const LOOKUP_TIMEOUT: Duration = Duration::from_secs(2);
/// The most addresses of one host name that are checked.
const ADDRESSES_MAX: usize = 16;

/// The addresses that host names of strangers may lead to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AllowedAddresses {
    /// Those on the public internet.
    Public,
    /// All: for a person at a keyboard who named the host, and for tests. A server with this
    /// setting can be made to ask its own network.
    AnyInsecure,
}

/// A host name leads to an address that must not be connected to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the host name resolves to an address that is not public")]
pub struct NotPublic;

/// Resolves a host name to addresses, each with port 0.
pub(crate) type Lookup = fn(String) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>>;

/// A DNS resolver that returns only addresses that may be connected to.
#[derive(Debug, Clone, Copy)]
pub struct PublicResolver {
    pub(crate) lookup: Lookup,
    /// Whether an address may be connected to.
    pub(crate) allowed: fn(IpAddr) -> bool,
}

impl PublicResolver {
    /// A resolver that asks the system. Give it to the builder of an HTTP client; the client must
    /// not be asked for URLs with an address, which it would not resolve.
    #[must_use]
    pub fn new(allowed: AllowedAddresses) -> Self {
        let allowed: fn(IpAddr) -> bool = match allowed {
            AllowedAddresses::Public => is_public,
            AllowedAddresses::AnyInsecure => |_| true,
        };
        Self { lookup: resolve_with_system, allowed }
    }

    /// Refuses a host name that resolves to an address that is not public. In a network whose only
    /// way out is a proxy, public names often do not resolve; the proxy decides about those.
    pub(crate) async fn refuse_inside(self, host: &str) -> Result<(), NotPublic> {
        let lookup = (self.lookup)(host.to_owned());
        match tokio::time::timeout(LOOKUP_TIMEOUT, lookup).await {
            Ok(Ok(found)) => check_addresses(found, self.allowed).map(drop),
            Ok(Err(_)) | Err(_) => Ok(()),
        }
    }
}

impl Resolve for PublicResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let Self { lookup, allowed } = *self;
        Box::pin(async move {
            let found = lookup(name.as_str().to_owned()).await?;
            Ok(Box::new(check_addresses(found, allowed)?.into_iter()) as Addrs)
        })
    }
}

fn resolve_with_system(name: String) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>> {
    Box::pin(async move { Ok(tokio::net::lookup_host((name, 0)).await?.take(ADDRESSES_MAX).collect()) })
}

/// Refuses all addresses if one of them is not public: such a host name is an attack.
pub(crate) fn check_addresses(
    found: Vec<SocketAddr>,
    allowed: fn(IpAddr) -> bool,
) -> Result<Vec<SocketAddr>, NotPublic> {
    if !found.is_empty() && found.iter().all(|address| allowed(address.ip())) {
        return Ok(found);
    }
    Err(NotPublic)
}
