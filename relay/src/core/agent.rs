//! One agent: its session, the index of its mailbox, and its usage of the limits.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use daemon::token_bucket::TokenBucket;
use protocol::did::TenantId;
use protocol::envelope::MessageId;
use protocol::frame::Outcome;
use protocol::refusal::RefusalReason;

use super::agent_session::{AgentSession, LiveMessages};
use super::meter::UntoldSends;
use super::tenant_budget::MailboxUsage;
use super::{AgentSlot, RowId};

#[derive(Debug)]
pub(super) struct Agent {
    pub(super) did: Arc<str>,
    pub(super) tenant: TenantId,
    pub(super) session: Option<AgentSession>,
    /// Every row of the mailbox, on disk or being written.
    pub(super) rows: BTreeMap<RowId, MailboxRow>,
    pub(super) row_bytes: u64,
    /// The rows that are notices.
    pub(super) notices: BTreeSet<RowId>,
    /// Notices that were dropped and that no later notice has told of.
    pub(super) missed: u64,
    pub(super) bucket: Option<TokenBucket>,
    pub(super) untold_sends: UntoldSends,
}

/// The part of a mailbox row that is kept in memory.
#[derive(Debug)]
pub(super) struct MailboxRow {
    pub(super) id: MessageId,
    pub(super) size: u32,
    /// Milliseconds of the steady clock.
    pub(super) expires_ms: u64,
    /// When its expiry is looked at: at its end, or later if it was in flight then.
    pub(super) check_ms: u64,
    pub(super) content: RowContent,
    pub(super) committed: bool,
}

#[derive(Debug)]
pub(super) enum RowContent {
    /// `sender` is `None` if that agent was removed since.
    Message { sender: Option<AgentSlot> },
    /// Notices are few, and rows many.
    Notice(Box<Notice>),
}

/// What a notice says.
#[derive(Debug)]
pub(super) struct Notice {
    pub(super) about: Arc<str>,
    pub(super) outcome: Outcome,
    pub(super) reason: Option<RefusalReason>,
    pub(super) at: u64,
    /// The row of the message, which leaves the store when the notice is in it.
    pub(super) ends: Option<RowId>,
    /// Notices that were dropped before this one.
    pub(super) missed: u64,
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
    pub(super) reason: Option<RefusalReason>,
    pub(super) row: RowId,
}

impl Agent {
    pub(super) fn new(did: Arc<str>, tenant: TenantId) -> Self {
        Self {
            did,
            tenant,
            session: None,
            rows: BTreeMap::new(),
            row_bytes: 0,
            notices: BTreeSet::new(),
            missed: 0,
            bucket: None,
            untold_sends: UntoldSends::default(),
        }
    }

    /// What the limits of the mailbox count. Messages in flight that are only in memory count,
    /// because they may still be written to the mailbox. Notices do not: a sender whose recipients
    /// are away can still be written to.
    pub(super) fn mailbox_usage(&self) -> MailboxUsage {
        let live = self.session.as_ref().and_then(AgentSession::live);
        let (count, in_memory) = live.map_or((0, 0), LiveMessages::size);
        let messages = (self.rows.len() - self.notices.len() + count) as u64;
        MailboxUsage { messages, bytes: self.row_bytes + in_memory as u64 }
    }

    /// The oldest notice that is on disk and not in flight.
    pub(super) fn oldest_idle_notice(&self) -> Option<RowId> {
        let in_flight = |row| self.session.as_ref().is_some_and(|session| session.has_in_flight(row));
        let committed = |row| self.rows.get(&row).is_some_and(|found| found.committed);
        self.notices.iter().copied().find(|row| committed(*row) && !in_flight(*row))
    }
}
