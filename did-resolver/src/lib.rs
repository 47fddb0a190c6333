//! Resolves DIDs of the method did:wba over HTTPS (ANP-03 section 2.5.2).
//!
//! [`DidResolver`] fetches the document from the DID's domain, verifies it and keeps it for a
//! while. It connects to public addresses only, follows no redirects, and bounds sizes and times.
//! It is a [`ResolveDid`](http_signature::ResolveDid), so that
//! [`verify_request`](http_signature::verify_request) can ask it.

mod cache;
mod freshness;
mod resolver;

pub use document_fetcher::{AllowedAddresses, FetchError, OutboundProxy, public_roots};
pub use resolver::{DidResolver, ResolveError};
