//! Decides whether an agent may send a message to another one: every rule of a send, in one pure
//! function over facts. What a repetition is answered is decided after that.

use std::time::Duration;

use daemon::token_bucket::{Rate, TokenBucket};
use protocol::did::TenantId;
use protocol::envelope::Class;
use protocol::limits::{ENVELOPE_BYTES_MAX, MAX_TTL_SECONDS};
use protocol::quota::QuotaName;

use super::pending_writes::StoreState;
use super::send_error::{ExceededLimit, SendError};
use super::tenant_budget::{MailboxUsage, exceeded_budget};
use super::{CoreLimits, SendRule};

/// The facts of an agent that sends.
#[derive(Debug)]
pub(super) struct Sender<'a> {
    pub(super) did: &'a str,
    pub(super) tenant: &'a TenantId,
    pub(super) tokens: Tokens,
    pub(super) tenant_tokens: Tokens,
    /// Sends of it that wait for their answer.
    pub(super) unanswered: u32,
    /// What the mailboxes of its tenant hold.
    pub(super) tenant_usage: MailboxUsage,
    /// Rows of its tenant's agents that wait for the store.
    pub(super) tenant_writing: usize,
}

/// The state of a token bucket.
#[derive(Debug)]
pub(super) struct Tokens {
    /// The time until there is a token; `None`: there is one.
    pub(super) wait: Option<Duration>,
    pub(super) bucket: TokenBucket,
    pub(super) rate: Rate,
}

/// The facts of the agent that a message is for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Recipient<'a> {
    pub(super) tenant: &'a TenantId,
    /// It is connected, or not deleted.
    pub(super) reads: bool,
    pub(super) session: Option<RecipientSession>,
    /// Its mailbox, with the messages in flight that may still be written to it.
    pub(super) mailbox: MailboxUsage,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct RecipientSession {
    pub(super) live: bool,
    /// The message fits into its delivery window.
    pub(super) has_capacity: bool,
}

/// What a message says about itself, and whether its id is known.
#[derive(Debug, Clone, Copy)]
pub(super) struct Header<'a> {
    pub(super) from: &'a str,
    pub(super) class: Class,
    pub(super) ttl: Option<u64>,
    pub(super) size: usize,
    pub(super) id: IdUse,
}

/// What the core knows of the id of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum IdUse {
    New,
    /// The same message was accepted, and its answer is remembered or open.
    Repeated,
    /// Another message has the id.
    Other,
    /// A row with this id failed and may be on disk all the same.
    Uncertain,
}

/// What the relay holds and whether it takes more.
#[derive(Debug, Clone, Copy)]
pub(super) struct RelayLoad<'a> {
    pub(super) limits: &'a CoreLimits,
    pub(super) draining: bool,
    pub(super) held_bytes: usize,
    /// Rows that wait for the store.
    pub(super) writing: usize,
    pub(super) store: StoreState,
    /// The store's last write hangs.
    pub(super) stalled: bool,
    /// What all mailboxes hold.
    pub(super) usage: MailboxUsage,
    pub(super) tenants: usize,
}

/// What was decided about a send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub(super) enum SendDecision {
    Allow,
    /// It breaks the rule that the error names.
    Refuse(SendError),
}

impl SendDecision {
    /// Whether the send takes its tokens.
    pub(super) fn takes_tokens(&self) -> bool {
        match self {
            Self::Allow => true,
            Self::Refuse(error) => error.rule.is_rate_limited(),
        }
    }

    pub(super) const fn into_result(self) -> Result<(), SendError> {
        match self {
            Self::Allow => Ok(()),
            Self::Refuse(error) => Err(error),
        }
    }
}

/// Decides about a send. No sender: the connection has no session. No recipient: the relay knows
/// none of this name.
pub(super) fn may_send(
    sender: Option<&Sender<'_>>,
    recipient: Option<&Recipient<'_>>,
    header: &Header<'_>,
    relay: &RelayLoad<'_>,
) -> SendDecision {
    match decide(sender, recipient, header, relay) {
        Ok(()) => SendDecision::Allow,
        Err(error) => SendDecision::Refuse(error),
    }
}

fn decide(
    sender: Option<&Sender<'_>>,
    recipient: Option<&Recipient<'_>>,
    header: &Header<'_>,
    relay: &RelayLoad<'_>,
) -> Result<(), SendError> {
    let sender = sender.ok_or(SendRule::Registered)?;
    check_header(sender, header)?;
    require(!relay.draining, SendRule::NotDraining)?;
    check_rates(sender)?;
    let recipient = recipient.ok_or(SendRule::RecipientKnown)?;
    require(sender.tenant == recipient.tenant, SendRule::TenantWall)?;
    require(recipient.reads, SendRule::RecipientReads)?;
    match (header.class, header.id) {
        (Class::Ephemeral, _) => check_ephemeral(recipient),
        (Class::Reliable, IdUse::Uncertain) => Err(SendRule::IdCertain.into()),
        (Class::Reliable, IdUse::Other) => Err(SendRule::IdUnused.into()),
        (Class::Reliable, IdUse::Repeated) => Ok(()),
        (Class::Reliable, IdUse::New) => {
            check_load(sender, header.size, relay)?;
            check_room(sender, recipient, header.size, relay)
        }
    }
}

fn check_header(sender: &Sender<'_>, header: &Header<'_>) -> Result<(), SendError> {
    require(sender.did == header.from, SendRule::OwnName)?;
    let ttl_fits = match (header.class, header.ttl) {
        (Class::Reliable, Some(ttl)) => (1..=MAX_TTL_SECONDS).contains(&ttl),
        (Class::Ephemeral, ttl) => ttl.is_none(),
        (Class::Reliable, None) => false,
    };
    require(ttl_fits, SendRule::TtlInRange)?;
    require(header.size <= ENVELOPE_BYTES_MAX, SendRule::EnvelopeSize)
}

/// The longer wait counts: after the shorter one the send would be refused again.
fn check_rates(sender: &Sender<'_>) -> Result<(), SendError> {
    let (own, shared) = (&sender.tokens, &sender.tenant_tokens);
    let Some(wait) = own.wait.max(shared.wait) else { return Ok(()) };
    let (rule, name, tokens) = if own.wait >= shared.wait {
        (SendRule::SenderRate, QuotaName::SendsBurst, own)
    } else {
        (SendRule::TenantRate, QuotaName::TenantSendsBurst, shared)
    };
    let (limit, current) = (tokens.rate.burst_count(), tokens.bucket.taken(tokens.rate));
    let exceeded = ExceededLimit { name, limit, current };
    Err(SendError::new(rule).after(wait).with_limit(exceeded))
}

fn check_ephemeral(recipient: &Recipient<'_>) -> Result<(), SendError> {
    let session = recipient.session.ok_or(SendRule::RecipientOnline)?;
    require(session.has_capacity, SendRule::WindowRoom)
}

/// Refuses what would be too much for the relay's memory, or too much at once for its store.
fn check_load(sender: &Sender<'_>, size: usize, relay: &RelayLoad<'_>) -> Result<(), SendError> {
    let limits = relay.limits;
    check_unanswered(sender.unanswered, limits)?;
    if relay.held_bytes + size > limits.held_bytes_max {
        let (name, current) = (QuotaName::MemoryBytes, relay.held_bytes as u64);
        let exceeded = ExceededLimit { name, limit: limits.held_bytes_max as u64, current };
        return Err(SendError::new(SendRule::MemoryRoom).with_limit(exceeded));
    }
    // A tenant may have as many as are free, so there is room for one that has few.
    let has_room = sender.tenant_writing + relay.writing < limits.writes_pending;
    require(has_room, SendRule::WriteQueueRoom)
}

/// Refuses a send, or a repetition of one that was released, while too many others wait.
pub(super) fn check_unanswered(waiting: u32, limits: &CoreLimits) -> Result<(), SendError> {
    if waiting < limits.unanswered_sends {
        return Ok(());
    }
    let (limit, current) = (limits.unanswered_sends.into(), waiting.into());
    let exceeded = ExceededLimit { name: QuotaName::UnansweredSends, limit, current };
    Err(SendError::new(SendRule::UnansweredSends).with_limit(exceeded))
}

fn check_room(
    sender: &Sender<'_>,
    recipient: &Recipient<'_>,
    size: usize,
    relay: &RelayLoad<'_>,
) -> Result<(), SendError> {
    if let Some(exceeded) = exceeded_mailbox(size, recipient.mailbox, relay.limits) {
        return Err(SendError::new(SendRule::MailboxRoom).with_limit(exceeded));
    }
    let exceeded = exceeded_budget(size, sender.tenant_usage, relay.usage, relay.tenants, relay.limits);
    if let Some(exceeded) = exceeded {
        return Err(SendError::new(SendRule::StorageRoom).with_limit(exceeded));
    }
    let direct = recipient.session.is_some_and(|session| session.live && session.has_capacity);
    require(direct || relay.store == StoreState::Working, SendRule::StoreWorks)?;
    require(direct || !relay.stalled, SendRule::StoreAnswers)
}

/// The limit of one mailbox that a message of this size would exceed.
fn exceeded_mailbox(size: usize, mailbox: MailboxUsage, limits: &CoreLimits) -> Option<ExceededLimit> {
    let MailboxUsage { messages, bytes } = mailbox;
    if messages >= u64::from(limits.mailbox_messages) {
        let (name, limit) = (QuotaName::MailboxMessages, limits.mailbox_messages.into());
        return Some(ExceededLimit { name, limit, current: messages });
    }
    let fits = bytes + size as u64 <= limits.mailbox_bytes;
    let (name, limit) = (QuotaName::MailboxBytes, limits.mailbox_bytes);
    (!fits).then_some(ExceededLimit { name, limit, current: bytes })
}

fn require(holds: bool, rule: SendRule) -> Result<(), SendError> {
    if holds { Ok(()) } else { Err(rule.into()) }
}

#[cfg(test)]
mod tests;
