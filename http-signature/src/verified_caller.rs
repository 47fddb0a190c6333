//! Names the caller whose signature was verified.

use protocol::did::WbaDid;
use protocol::document::Assurance;

/// Who signed a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedCaller {
    pub did: WbaDid,
    /// The DID URL of the key that signed.
    pub key_id: String,
    /// Whether the DID itself vouches for that key, or its domain alone.
    pub assurance: Assurance,
}
