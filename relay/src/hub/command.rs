//! The commands that one read of a connection contained, ready to be executed under the lock.

use bytes::Bytes;
use protocol::envelope::Routing;
use protocol::frame::{AckParams, ChallengeResult, DiscoverResult, LookupResult, RefuseParams};
use protocol::{Did, Reason};

use crate::core::RequestId;

#[derive(Debug)]
pub(crate) enum Command<'a> {
    Send {
        id: RequestId,
        routing: Routing<'a>,
        envelope: Bytes,
    },
    Ack(AckParams),
    RefuseDelivery(RefuseParams),
    Challenged {
        id: RequestId,
        result: ChallengeResult,
    },
    /// The hub fills in `online`.
    Discovered {
        id: RequestId,
        result: DiscoverResult,
    },
    /// The hub fills in `online`.
    LookedUp {
        id: RequestId,
        did: Did,
        result: LookupResult,
    },
    Refuse {
        /// `None` if the id could not be read.
        id: Option<RequestId>,
        reason: Reason,
    },
}

#[derive(Debug, Default)]
pub(crate) struct CommandBatch<'a> {
    pub(super) commands: Vec<Command<'a>>,
}

impl<'a> CommandBatch<'a> {
    pub(crate) fn extend(&mut self, command: Option<Command<'a>>) {
        self.commands.extend(command);
    }
}

impl<'a> From<Command<'a>> for CommandBatch<'a> {
    fn from(command: Command<'a>) -> Self {
        Self { commands: vec![command] }
    }
}
