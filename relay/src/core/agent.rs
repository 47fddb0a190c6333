//! One agent: its session, the index of its mailbox, and its usage of the limits.

use std::collections::BTreeMap;
use std::sync::Arc;

use daemon::token_bucket::TokenBucket;
use protocol::did::TenantId;
use protocol::envelope::MessageId;
use protocol::frame::Outcome;
use protocol::quota::QuotaName;

use super::delivery_window::DeliveryWindow;
use super::{AgentSlot, CoreLimits, RowId};

#[derive(Debug)]
pub(super) struct Agent {
    pub(super) did: Arc<str>,
    pub(super) tenant: TenantId,
    pub(super) session: Option<DeliveryWindow>,
    /// Every row of the mailbox, on disk or being written.
    pub(super) rows: BTreeMap<RowId, MailboxRow>,
    pub(super) row_bytes: u64,
    pub(super) bucket: Option<TokenBucket>,
    /// Sends of this agent that wait for their answer.
    pub(super) unanswered: u32,
}

/// The part of a mailbox row that is kept in memory.
#[derive(Debug)]
pub(super) struct MailboxRow {
    pub(super) id: MessageId,
    pub(super) size: u32,
    /// Unix seconds.
    pub(super) expires: u64,
    pub(super) content: RowContent,
    pub(super) committed: bool,
}

#[derive(Debug)]
pub(super) enum RowContent {
    /// `sender` is `None` if that agent was removed since.
    Message { sender: Option<AgentSlot> },
    /// `ends` is the row of the message that this notice reports. That row leaves the store only
    /// after the notice is in it.
    Notice { about: Arc<str>, outcome: Outcome, at: u64, ends: Option<RowId> },
}

/// A stored message that will not be delivered. Its sender has the answer `stored` and gets a
/// notice.
#[derive(Debug, Clone)]
pub(super) struct UndeliveredMessage {
    /// `None` if the sender was removed since.
    pub(super) sender: Option<AgentSlot>,
    pub(super) recipient: Arc<str>,
    pub(super) id: MessageId,
    pub(super) outcome: Outcome,
    pub(super) row: RowId,
}

impl Agent {
    pub(super) const fn new(did: Arc<str>, tenant: TenantId) -> Self {
        Self { did, tenant, session: None, rows: BTreeMap::new(), row_bytes: 0, bucket: None, unanswered: 0 }
    }

    /// The mailbox limit that a message of this size would exceed, and its usage. Messages in
    /// flight that are only in memory count, because they may still be written to the mailbox.
    pub(super) fn exceeded_limit(&self, size: usize, limits: &CoreLimits) -> Option<(QuotaName, u64, u64)> {
        let (count, in_memory) = self.session.as_ref().map_or((0, 0), DeliveryWindow::memory_only);
        let messages = (self.rows.len() + count) as u64;
        let bytes = self.row_bytes + (in_memory + size) as u64;
        if messages >= u64::from(limits.mailbox_messages) {
            return Some((QuotaName::MailboxMessages, limits.mailbox_messages.into(), messages));
        }
        (bytes > limits.mailbox_bytes).then_some((QuotaName::MailboxBytes, limits.mailbox_bytes, bytes))
    }
}
