//! What one read of one connection amounts to, ready to be carried out under the lock.

use bytes::Bytes;
use protocol::envelope::Routing;
use protocol::frame::{AckParams, ChallengeResult, DiscoverResult, LookupResult};
use protocol::{Did, Reason};

use crate::core::RequestId;

#[derive(Debug)]
pub(crate) enum Item<'a> {
    Send {
        id: RequestId,
        routing: Routing<'a>,
        envelope: Bytes,
    },
    Ack(AckParams),
    Challenged {
        id: RequestId,
        result: ChallengeResult,
    },
    /// Without `online`.
    Discovered {
        id: RequestId,
        result: DiscoverResult,
    },
    /// Without `online`.
    LookedUp {
        id: RequestId,
        did: Did,
        result: LookupResult,
    },
    /// `id` is none if it could not be read.
    Refuse {
        id: Option<RequestId>,
        reason: Reason,
    },
}

#[derive(Debug, Default)]
pub(crate) struct Batch<'a> {
    pub(super) items: Vec<Item<'a>>,
}

impl<'a> Batch<'a> {
    pub(crate) fn push(&mut self, item: Item<'a>) {
        self.items.push(item);
    }

    pub(crate) fn extend(&mut self, item: Option<Item<'a>>) {
        self.items.extend(item);
    }
}
