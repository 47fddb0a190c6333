//! A message to one peer, as long as its bytes may be needed again.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use protocol::Reason;
use protocol::frame::SendStatus;
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::peer_event::RelayRight;
use crate::error::Error;
use crate::rpc::RpcClient;
use crate::sent::Path;

/// A message whose bytes may be needed again.
pub(super) struct KeptSend {
    pub(super) params: Arc<str>,
    pub(super) attempt: String,
    pub(super) right: RelayRight,
    /// Until the caller has an answer.
    pub(super) waiting: Option<WaitingCaller>,
    pub(super) relay_error: Option<Error>,
    pub(super) is_on_link: bool,
}

pub(super) struct WaitingCaller {
    pub(super) rpc: RpcClient,
    pub(super) permit: Arc<OwnedSemaphorePermit>,
    pub(super) traceparent: Option<String>,
    pub(super) written: Arc<AtomicBool>,
    pub(super) caller: oneshot::Sender<Result<(SendStatus, Path), Error>>,
}

impl KeptSend {
    /// Whether nobody waits for its answer any longer, before there was one.
    pub(super) fn is_abandoned(&self) -> bool {
        self.waiting.as_ref().is_some_and(|waiting| waiting.caller.is_closed())
    }

    /// Whether dialling once more cannot help it, after the peer could not be reached or refused.
    pub(super) fn is_hopeless(&self, is_refused: bool) -> bool {
        match self.right {
            RelayRight::Allowed => false,
            RelayRight::Forbidden => true,
            RelayRight::NoRelay => is_refused,
        }
    }
}

/// Whether no other way can change this answer: the recipient has decided, or the message
/// has ended.
pub(super) const fn is_final(reason: Reason) -> bool {
    matches!(reason, Reason::Refused | Reason::Ended)
}
