//! Says who signed a request.

use std::error::Error;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};

use protocol::did::WbaDid;
use protocol::document::ResolvedDocument;

use crate::refusal::SignatureRefusal;
use crate::replay::ReplayTable;
use crate::request::ReceivedRequest;
use crate::verified_caller::VerifiedCaller;
use crate::verify::SignedRequest;

/// Finds the document of a DID.
pub trait ResolveDid {
    type Error: Error + Send + Sync + 'static;

    /// Returns the verified document of a DID. `now` is in seconds since the Unix epoch.
    fn resolve(
        &self,
        did: &WbaDid,
        now: u64,
    ) -> impl Future<Output = Result<Arc<ResolvedDocument>, Self::Error>> + Send;
}

/// Says which DID signed a request, which then cannot be sent again. A body that is read as a
/// stream has to be whole before.
///
/// # Errors
/// The first check that fails. Nothing of the request may be believed then.
pub async fn verify_request<R: ResolveDid>(
    request: &ReceivedRequest<'_>,
    resolver: &R,
    replays: &Mutex<ReplayTable>,
    now: u64,
) -> Result<VerifiedCaller, SignatureRefusal> {
    let signed = SignedRequest::read(request, now)?;
    let table = || replays.lock().unwrap_or_else(PoisonError::into_inner);
    // What cannot be admitted is not worth a look at another server.
    table().check(&signed, now)?;
    let document = resolver.resolve(signed.did(), now).await;
    let document = document.map_err(|error| SignatureRefusal::Unresolved(Box::new(error)))?;
    let caller = signed.verify(&document)?;
    table().admit(&signed, now)?;
    Ok(caller)
}
