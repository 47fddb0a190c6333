//! Answers that need a serializer and no place among deliveries. The hub decides them while it is
//! locked, and writes them after that.

use std::sync::Arc;

use protocol::frame::{ChallengeResult, LookupResult, RpcError, write_error, write_result};

use super::connection::Connection;
use super::{PreparedPage, RequestRefusal};
use crate::core::{RequestId, SendError};

/// An answer to a request on this connection.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) connection: Arc<Connection>,
    pub(super) content: ReplyContent,
}

#[derive(Debug)]
pub(super) enum ReplyContent {
    Challenged {
        id: RequestId,
        result: ChallengeResult,
    },
    Discovered {
        id: RequestId,
        result: PreparedPage,
    },
    LookedUp {
        id: RequestId,
        result: LookupResult,
    },
    Refused {
        id: Option<RequestId>,
        refusal: RequestRefusal,
    },
    /// The core refused a send or a registration.
    CoreRefused {
        id: RequestId,
        error: Box<SendError>,
    },
}

impl Reply {
    /// Appends the answer to the write buffer of its connection.
    pub(super) fn write(&self) {
        self.connection.push_text(|out| match &self.content {
            ReplyContent::Challenged { id, result } => write_result(out, id, result),
            ReplyContent::Discovered { id, result } => write_result(out, id, result),
            ReplyContent::LookedUp { id, result } => write_result(out, id, result),
            ReplyContent::Refused { id, refusal } => write_error(out, id.as_ref(), &refusal_error(refusal)),
            ReplyContent::CoreRefused { id, error } => write_error(out, Some(id), &core_error(error)),
        });
    }
}

fn refusal_error(refusal: &RequestRefusal) -> RpcError {
    let RequestRefusal { reason, detail, quota, retry_ms } = refusal;
    RpcError::new(*reason, *retry_ms).with_quota(*quota).with_detail(detail.as_deref())
}

/// The rule stays in the relay: a sender is told the reason.
fn core_error(error: &SendError) -> RpcError {
    let retry_ms = error.retry_after.and_then(|wait| u64::try_from(wait.as_millis()).ok());
    let mut shown = RpcError::new(error.reason, retry_ms).with_quota(error.quota);
    (shown.data.refusal, shown.data.outcome) = (error.refusal, error.outcome);
    shown
}
