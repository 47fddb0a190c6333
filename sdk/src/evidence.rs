//! What is needed to prove one message later: its envelope, its key, and the other side's DID document.

use std::sync::Arc;

use protocol::Envelope;
use protocol::document::DidDocument;
use protocol::envelope::suite1::MessagePrk;
use protocol::proof::ProvenMessage;

/// Kept with every message sent and received, for [`crate::Agent::prove`]. Holds the key of this one message; dropping the last
/// clone erases it. Cheap to clone.
#[derive(Clone)]
pub struct Evidence(Arc<Inner>);

struct Inner {
    envelope: Envelope,
    prk: MessagePrk,
    peer: DidDocument,
}

impl Evidence {
    pub(crate) fn new(envelope: Envelope, prk: MessagePrk, peer: DidDocument) -> Self {
        Self(Arc::new(Inner { envelope, prk, peer }))
    }

    pub(crate) fn disclose(&self) -> ProvenMessage {
        ProvenMessage { envelope: self.0.envelope.clone(), prk: self.0.prk.disclose() }
    }

    pub(crate) fn peer(&self) -> &DidDocument {
        &self.0.peer
    }
}

/// The key stays out of logs.
impl std::fmt::Debug for Evidence {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Evidence({})", self.0.envelope.id)
    }
}
