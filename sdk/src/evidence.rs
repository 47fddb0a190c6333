//! Evidence of one message: its envelope, its key, and the other agent's DID document.

use std::sync::Arc;

use protocol::Envelope;
use protocol::document::DidDocument;
use protocol::envelope::suite1::MessagePrk;
use protocol::proof::ProvenMessage;

/// Allows [`Agent::prove`](crate::Agent::prove) to prove a message. Every sent and received message
/// has it. It contains the key of this one message, which is erased with the last clone. Cheap to
/// clone.
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

/// Shows no key.
impl std::fmt::Debug for Evidence {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Evidence({})", self.0.envelope.id)
    }
}
