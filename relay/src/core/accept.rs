//! Accepts or refuses one `message.send`: sender, rate limits, recipient, duplicates, capacity.
//! Then it decides whether the message goes to a connection or to a mailbox.

use std::time::Duration;

use bytes::Bytes;
use daemon::token_bucket::TokenBucket;
use protocol::Reason;
use protocol::envelope::Class;
use protocol::frame::SendStatus;
use protocol::limits::{ENVELOPE_BYTES_MAX, MAX_TTL_SECONDS};
use protocol::quota::{Quota, QuotaName};

use super::agent::Agent;
use super::dedup::{AnswerState, MessageKey};
use super::delivery_window::{Content, InFlight, MemoryOnly};
use super::digest::digest;
use super::limits::{
    COPY_BELOW_BYTES, DRAIN_RETRY_INTERVAL, OVERLOAD_RETRY_INTERVAL, STORAGE_RETRY_INTERVAL, UNANSWERED_MAX,
    WRITES_PENDING_MAX,
};
use super::{AgentRegistry, AgentSlot, Core, Effect, Now, Submission};

/// Why a send is refused, and when a retry makes sense.
#[derive(Debug, Clone, Copy)]
pub(super) struct SendError {
    reason: Reason,
    retry_after: Option<Duration>,
    /// The quota that is used up, if one is.
    quota: Option<Quota>,
}

impl SendError {
    pub(super) const fn retry_later(reason: Reason, interval: Duration) -> Self {
        Self { reason, retry_after: Some(interval), quota: None }
    }

    const fn with_quota(self, name: QuotaName, limit: u64, current: u64) -> Self {
        Self { quota: Some(Quota::of_default_plan(name, limit, current)), ..self }
    }
}

impl From<Reason> for SendError {
    fn from(reason: Reason) -> Self {
        Self { reason, retry_after: None, quota: None }
    }
}

impl Core {
    pub(super) fn accept(
        &mut self,
        sent: &Submission<'_>,
        now: Now,
        registry: &dyn AgentRegistry,
        out: &mut Vec<Effect>,
    ) {
        if let Err(SendError { reason, retry_after, quota }) = self.try_accept(sent, now, registry, out) {
            let (conn, request) = (sent.conn, sent.request.clone());
            out.push(Effect::Refuse { conn, request, reason, retry_after, quota });
        }
    }

    fn try_accept(
        &mut self,
        sent: &Submission<'_>,
        now: Now,
        registry: &dyn AgentRegistry,
        out: &mut Vec<Effect>,
    ) -> Result<(), SendError> {
        let sender = self.sessions.get(&sent.conn).copied().ok_or(Reason::NotRegistered)?;
        self.check_envelope(sender, sent)?;
        self.check_rate_limits(sender, now)?;
        let recipient = self.resolve_recipient(sender, sent.to, registry)?;
        match sent.class {
            Class::Ephemeral => self.forward_ephemeral(recipient, sent, out),
            Class::Reliable => self.accept_reliable(sender, recipient, sent, now, out),
        }
    }

    fn check_envelope(&self, sender: AgentSlot, sent: &Submission<'_>) -> Result<(), SendError> {
        let agent = self.agents.agent(sender).ok_or(Reason::NotRegistered)?;
        if *agent.did != *sent.from {
            return Err(Reason::FromMismatch.into());
        }
        let ttl_fits = match (sent.class, sent.ttl) {
            (Class::Reliable, Some(ttl)) => (1..=MAX_TTL_SECONDS).contains(&ttl),
            (Class::Ephemeral, ttl) => ttl.is_none(),
            (Class::Reliable, None) => false,
        };
        if !ttl_fits {
            return Err(Reason::InvalidTtl.into());
        }
        if sent.envelope.len() > ENVELOPE_BYTES_MAX {
            return Err(Reason::TooLarge.into());
        }
        if self.draining {
            return Err(SendError::retry_later(Reason::Draining, DRAIN_RETRY_INTERVAL));
        }
        Ok(())
    }

    /// Takes one token of the sender and one of its tenant, or neither.
    fn check_rate_limits(&mut self, sender: AgentSlot, now: Now) -> Result<(), SendError> {
        let (own, shared) = (self.limits.sender_rate, self.limits.tenant_rate);
        let agent = self.agents.agent_mut(sender).ok_or(Reason::NotRegistered)?;
        if !self.tenants.contains_key(&agent.tenant) {
            self.tenants.insert(agent.tenant.clone(), TokenBucket::full(shared, now.mono_ms));
        }
        let tenant = self.tenants.get_mut(&agent.tenant).ok_or(Reason::Internal)?;
        let bucket = agent.bucket.get_or_insert_with(|| TokenBucket::full(own, now.mono_ms));
        let (own_wait, shared_wait) = (bucket.wait(own, now.mono_ms), tenant.wait(shared, now.mono_ms));
        if let Some(wait) = own_wait.max(shared_wait) {
            let limited = SendError::retry_later(Reason::RateLimited, wait);
            return Err(if own_wait >= shared_wait {
                limited.with_quota(QuotaName::SendsBurst, own.burst_count(), bucket.taken(own))
            } else {
                limited.with_quota(QuotaName::TenantSendsBurst, shared.burst_count(), tenant.taken(shared))
            });
        }
        bucket.take();
        tenant.take();
        Ok(())
    }

    /// Finds the recipient in the sender's tenant. An agent of another tenant, or one that was
    /// deleted and its mailbox retained, looks like one that does not exist.
    fn resolve_recipient(
        &mut self,
        sender: AgentSlot,
        sent_to: &str,
        registry: &dyn AgentRegistry,
    ) -> Result<AgentSlot, SendError> {
        let recipient = match self.agents.find(sent_to) {
            Some(slot) => slot,
            None => {
                let tenant = registry.tenant_of(sent_to).ok_or(Reason::NotFound)?;
                self.agents.add(Agent::new(sent_to.into(), tenant))
            }
        };
        let (from, to) = (self.agents.agent(sender), self.agents.agent(recipient));
        let same_tenant = from.zip(to).is_some_and(|(from, to)| from.tenant == to.tenant);
        // One that is connected exists, and most messages go to those.
        let connected = to.is_some_and(|to| to.session.is_some());
        if same_tenant && (connected || registry.accepts_messages(sent_to)) {
            Ok(recipient)
        } else {
            Err(Reason::NotFound.into())
        }
    }

    /// Forwards an ephemeral message to the recipient's connection, or refuses it.
    fn forward_ephemeral(
        &mut self,
        recipient: AgentSlot,
        sent: &Submission<'_>,
        out: &mut Vec<Effect>,
    ) -> Result<(), SendError> {
        let agent = self.agents.agent_mut(recipient).ok_or(Reason::NotFound)?;
        let session = agent.session.as_mut().ok_or(Reason::RecipientOffline)?;
        let size = sent.envelope.len();
        if !session.has_capacity(size) {
            return Err(SendError::retry_later(Reason::Overloaded, OVERLOAD_RETRY_INTERVAL));
        }
        let seq = session.push(InFlight { size, content: Content::Ephemeral });
        let (conn, epoch) = (session.conn, session.epoch);
        out.push(Effect::Deliver { conn, epoch, seq, envelope: sent.envelope.clone() });
        let (conn, request) = (sent.conn, sent.request.clone());
        out.push(Effect::Answer { conn, request, status: SendStatus::Forwarded });
        Ok(())
    }

    fn accept_reliable(
        &mut self,
        sender: AgentSlot,
        recipient: AgentSlot,
        sent: &Submission<'_>,
        now: Now,
        out: &mut Vec<Effect>,
    ) -> Result<(), SendError> {
        let key = MessageKey { sender, id: sent.id };
        let digest = digest(sent.envelope);
        if self.dedup.entry_mut(key).is_some() {
            return self.accept_resend(key, digest, recipient, sent, now, out);
        }
        self.check_capacity(sender, recipient, sent.envelope.len())?;

        let state = AnswerState::Waiting { conn: sent.conn, request: sent.request.clone() };
        self.dedup.insert(key, digest, state, now.unix);
        self.dedup.trim(now.unix);
        let message = self.hold(key, sent, now);
        self.deliver_or_store(recipient, message, now, out);
        Ok(())
    }

    /// Accounts for a message that is only in memory and whose sender waits for an answer.
    pub(super) fn hold(&mut self, key: MessageKey, sent: &Submission<'_>, now: Now) -> MemoryOnly {
        let expires = now.unix + sent.ttl.unwrap_or(0);
        let message = MemoryOnly { key, expires, envelope: copy_if_small(sent.envelope) };
        self.held_bytes += message.envelope.len();
        if let Some(agent) = self.agents.agent_mut(key.sender) {
            agent.unanswered += 1;
        }
        message
    }

    /// Refuses what does not fit. A full mailbox is answered with `mailbox_full`, the exceeded
    /// quota, and the delay after which a retry makes sense.
    fn check_capacity(&self, sender: AgentSlot, recipient: AgentSlot, size: usize) -> Result<(), SendError> {
        let from = self.agents.agent(sender).ok_or(Reason::NotRegistered)?;
        let to = self.agents.agent(recipient).ok_or(Reason::NotFound)?;
        let overloaded = from.unanswered >= UNANSWERED_MAX
            || self.held_bytes + size > self.limits.held_bytes_max
            || self.pending_writes.len() >= WRITES_PENDING_MAX;
        if overloaded {
            return Err(SendError::retry_later(Reason::Overloaded, OVERLOAD_RETRY_INTERVAL));
        }
        if let Some((name, limit, current)) = to.exceeded_limit(size, &self.limits) {
            let full = SendError::retry_later(Reason::MailboxFull, STORAGE_RETRY_INTERVAL);
            return Err(full.with_quota(name, limit, current));
        }
        let direct = to.session.as_ref().is_some_and(|s| !s.backlog && s.has_capacity(size));
        if self.pending_writes.failed() && !direct {
            return Err(SendError::retry_later(Reason::StorageUnavailable, STORAGE_RETRY_INTERVAL));
        }
        Ok(())
    }

    /// Delivers to the connection of a live recipient, or else writes to the mailbox.
    fn deliver_or_store(
        &mut self,
        recipient: AgentSlot,
        message: MemoryOnly,
        now: Now,
        out: &mut Vec<Effect>,
    ) {
        let size = message.envelope.len();
        let Some(agent) = self.agents.agent_mut(recipient) else { return };
        let live = match &mut agent.session {
            Some(session) if !session.backlog => session.has_capacity(size),
            _ => false,
        };
        if !live {
            self.enter_backlog(recipient, now, out);
            self.write_message(recipient, &message, now, out);
            return;
        }
        let Some(session) = &mut agent.session else { return };
        let (conn, epoch, envelope) = (session.conn, session.epoch, message.envelope.clone());
        let seq = session.push(InFlight { size, content: Content::MemoryOnly(message) });
        out.push(Effect::Deliver { conn, epoch, seq, envelope });
        self.start_ack_grace(recipient, epoch, seq, now);
    }
}

/// A small envelope is copied, so that it does not keep the connection's read buffer in memory.
fn copy_if_small(envelope: &Bytes) -> Bytes {
    if envelope.len() < COPY_BELOW_BYTES { Bytes::copy_from_slice(envelope) } else { envelope.clone() }
}
