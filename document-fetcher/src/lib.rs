//! Outgoing HTTPS on behalf of URLs that strangers name: client documents, DID documents, agent
//! cards.
//!
//! [`DocumentFetcher`] fetches a document with limits of size and time and without redirects.
//! [`PublicResolver`] is its guard against server-side request forgery (SSRF), for other clients as
//! well; it asks [`is_public`]. [`OutboundProxy`] is the way out where a network has no other.

mod fetcher;
mod http_client;
mod outbound_proxy;
mod public_address;
mod public_resolver;
#[cfg(any(test, feature = "test-proxy"))]
pub mod test_proxy;

pub use fetcher::{DocumentFetcher, FetchError, FetchLimits, FetchedDocument};
pub use http_client::{OUTBOUND_REQUEST_TIMEOUT, builder, public_roots};
pub use outbound_proxy::{NotAProxy, OutboundProxy};
pub use public_address::is_public;
pub use public_resolver::{AllowedAddresses, NotPublic, PublicResolver};
