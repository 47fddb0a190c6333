//! One agent: its session, the index of its mailbox, and what it has used of its limits.

use std::collections::BTreeMap;
use std::sync::Arc;

use protocol::did::TenantId;
use protocol::envelope::MessageId;
use protocol::frame::Outcome;
use protocol::quota::QuotaName;

use super::window::Session;
use super::{AgentKey, Limits, RowId};
use daemon::token_bucket::TokenBucket;

#[derive(Debug)]
pub(super) struct Agent {
    pub(super) did: Arc<str>,
    pub(super) tenant: TenantId,
    pub(super) session: Option<Session>,
    /// Everything in the mailbox, being written or on the disk.
    pub(super) rows: BTreeMap<RowId, Row>,
    pub(super) row_bytes: u64,
    pub(super) bucket: Option<TokenBucket>,
    /// Sends of this agent that wait for their answer.
    pub(super) unanswered: u32,
}

/// What is kept in memory of a mailbox row.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) id: MessageId,
    pub(super) size: u32,
    /// Unix seconds.
    pub(super) expires: u64,
    pub(super) content: RowContent,
    pub(super) committed: bool,
}

#[derive(Debug)]
pub(super) enum RowContent {
    /// `sender` is none if it was removed since.
    Message { sender: Option<AgentKey> },
    /// `ends` is the row of the message whose end this tells. It leaves the store only when the notice is in it.
    Notice { about: Arc<str>, outcome: Outcome, at: u64, ends: Option<RowId> },
}

/// The end of a message that its sender knows as stored.
#[derive(Debug, Clone)]
pub(super) struct Ending {
    /// None if the sender was removed since.
    pub(super) sender: Option<AgentKey>,
    /// The recipient.
    pub(super) about: Arc<str>,
    pub(super) id: MessageId,
    pub(super) outcome: Outcome,
    pub(super) row: RowId,
}

/// What a mailbox row holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Message,
    Notice(Outcome),
}

impl Agent {
    pub(super) const fn new(did: Arc<str>, tenant: TenantId) -> Self {
        Self { did, tenant, session: None, rows: BTreeMap::new(), row_bytes: 0, bucket: None, unanswered: 0 }
    }

    /// The limit, and what is used of it, that keeps the mailbox from taking a message of this size together with all that may yet be
    /// spilled into it.
    pub(super) fn over_limit(&self, size: usize, limits: &Limits) -> Option<(QuotaName, u64, u64)> {
        let (fresh, fresh_bytes) = self.session.as_ref().map_or((0, 0), Session::fresh);
        let messages = (self.rows.len() + fresh) as u64;
        let bytes = self.row_bytes + (fresh_bytes + size) as u64;
        if messages >= u64::from(limits.mailbox_messages) {
            return Some((QuotaName::MailboxMessages, limits.mailbox_messages.into(), messages));
        }
        (bytes > limits.mailbox_bytes).then_some((QuotaName::MailboxBytes, limits.mailbox_bytes, bytes))
    }
}
