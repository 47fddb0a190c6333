//! Accepts or refuses one `message.send`: sender, rate limits, recipient, duplicates, capacity.
//! Then it decides whether the message goes to a connection or to a mailbox.

use bytes::Bytes;
use daemon::token_bucket::TokenBucket;
use protocol::Reason;
use protocol::envelope::Class;
use protocol::frame::SendStatus;
use protocol::limits::{ENVELOPE_BYTES_MAX, MAX_TTL_SECONDS};
use protocol::quota::QuotaName;

use super::agent_session::MemoryOnly;
use super::dedup::{AnswerState, MessageKey};
use super::delivery_window::Content;
use super::digest::digest;
use super::limits::{COPY_BELOW_BYTES, DRAIN_RETRY_INTERVAL, STORAGE_RETRY_INTERVAL};
use super::send_error::SendError;
use super::tenant_budget::{MailboxUsage, exceeded_budget};
use super::{AgentRegistry, AgentSlot, Core, CoreTime, Effect, Submission};

impl Core {
    pub(super) fn accept(
        &mut self,
        sent: &Submission<'_>,
        now: CoreTime,
        registry: &dyn AgentRegistry,
        out: &mut Vec<Effect>,
    ) {
        if let Err(error) = self.try_accept(sent, now, registry, out) {
            out.push(Effect::refusal(sent.conn, sent.request.clone(), error));
        }
    }

    fn try_accept(
        &mut self,
        sent: &Submission<'_>,
        now: CoreTime,
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
    fn check_rate_limits(&mut self, sender: AgentSlot, now: CoreTime) -> Result<(), SendError> {
        let (own, shared) = (self.limits.sender_rate, self.limits.tenant_rate);
        let agent = self.agents.agent_mut(sender).ok_or(Reason::NotRegistered)?;
        let tenant = &mut self.tenants.get_mut(&agent.tenant).ok_or(Reason::Internal)?.bucket;
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
                self.add_agent(sent_to, tenant)
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
        if !session.window.has_capacity(size) {
            return Err(SendError::overloaded());
        }
        let seq = session.window.push(size, Content::Nowhere);
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
        now: CoreTime,
        out: &mut Vec<Effect>,
    ) -> Result<(), SendError> {
        let key = MessageKey { sender, id: sent.id };
        if self.pending_writes.is_uncertain(key) {
            return Err(SendError::storage_unavailable());
        }
        let digest = digest(sent.envelope);
        if self.dedup.entry(key).is_some() {
            return self.accept_resend(key, digest, sent, out);
        }
        if let Some(unstored) = self.unstored.get(key) {
            return self.resend_unstored(key, unstored, digest, sent, now, out);
        }
        self.check_capacity(sender, recipient, sent.envelope.len())?;
        self.remember_waiting(key, digest, sent, now)?;
        let message = self.hold(key, sent, now);
        self.deliver_or_store(recipient, message, now, out);
        Ok(())
    }

    /// Remembers the id, whose answer this request waits for.
    pub(super) fn remember_waiting(
        &mut self,
        key: MessageKey,
        digest: u64,
        sent: &Submission<'_>,
        now: CoreTime,
    ) -> Result<(), SendError> {
        if !self.dedup.make_room(key.sender, now.steady_ms) {
            let (limit, current) = (self.limits.dedup_entries_max as u64, self.dedup.len() as u64);
            return Err(SendError::overloaded().with_quota(QuotaName::DedupEntries, limit, current));
        }
        let state = AnswerState::Waiting { conn: sent.conn, request: sent.request.clone() };
        self.dedup.insert(key, digest, state, now.steady_ms);
        Ok(())
    }

    /// Accounts for a message that is only in memory and whose sender waits for an answer.
    pub(super) fn hold(&mut self, key: MessageKey, sent: &Submission<'_>, now: CoreTime) -> MemoryOnly {
        let ttl_seconds = sent.ttl.unwrap_or(0);
        let envelope = copy_if_small(sent.envelope);
        self.held_bytes += envelope.len();
        MemoryOnly { key, ttl_seconds, expires_ms: now.after_seconds(ttl_seconds), envelope }
    }

    /// Refuses what does not fit, with the exceeded quota and the delay after which a retry makes
    /// sense.
    pub(super) fn check_capacity(
        &self,
        sender: AgentSlot,
        recipient: AgentSlot,
        size: usize,
    ) -> Result<(), SendError> {
        let to = self.agents.agent(recipient).ok_or(Reason::NotFound)?;
        self.check_load(sender, size)?;
        if let Some((name, limit, current)) = to.exceeded_limit(size, &self.limits) {
            let full = SendError::retry_later(Reason::MailboxFull, STORAGE_RETRY_INTERVAL);
            return Err(full.with_quota(name, limit, current));
        }
        let tenant = self.tenants.get(&to.tenant).map_or_else(MailboxUsage::default, |tenant| tenant.usage);
        let exceeded = exceeded_budget(size, tenant, self.usage, self.tenants.len(), &self.limits);
        if let Some((name, limit, current)) = exceeded {
            let full = SendError::retry_later(Reason::StorageFull, STORAGE_RETRY_INTERVAL);
            return Err(full.with_quota(name, limit, current));
        }
        let session = to.session.as_ref();
        let direct = session.is_some_and(|s| s.live().is_some() && s.window.has_capacity(size));
        if !direct && !self.pending_writes.takes_messages() {
            return Err(SendError::storage_unavailable());
        }
        if !direct && self.pending_writes.stalled {
            return Err(SendError::overloaded());
        }
        Ok(())
    }

    /// Refuses what would be too much for the relay's memory, or too much at once for its store.
    fn check_load(&self, sender: AgentSlot, size: usize) -> Result<(), SendError> {
        self.check_unanswered(sender)?;
        if self.held_bytes + size > self.limits.held_bytes_max {
            let (limit, current) = (self.limits.held_bytes_max as u64, self.held_bytes as u64);
            return Err(SendError::overloaded().with_quota(QuotaName::MemoryBytes, limit, current));
        }
        if self.has_many_writes(sender) {
            return Err(SendError::overloaded());
        }
        Ok(())
    }

    /// Refuses a send, or a repetition of one that was released, while too many others wait.
    pub(super) fn check_unanswered(&self, sender: AgentSlot) -> Result<(), SendError> {
        let (waiting, limit) = (self.dedup.waiting(sender), self.limits.unanswered_sends);
        if waiting < limit {
            return Ok(());
        }
        let name = QuotaName::UnansweredSends;
        Err(SendError::overloaded().with_quota(name, limit.into(), waiting.into()))
    }

    /// Delivers to the connection of a live recipient, or else writes to the mailbox.
    fn deliver_or_store(
        &mut self,
        recipient: AgentSlot,
        message: MemoryOnly,
        now: CoreTime,
        out: &mut Vec<Effect>,
    ) {
        let envelope = message.envelope.clone();
        let message = match self.agents.session_mut(recipient) {
            None => message,
            Some(session) => match session.push_live(message) {
                Ok(seq) => {
                    let (conn, epoch) = (session.conn, session.epoch);
                    out.push(Effect::Deliver { conn, epoch, seq, envelope });
                    return self.start_ack_grace(recipient, epoch, seq, now);
                }
                Err(message) => message,
            },
        };
        self.enter_backlog(recipient, now, out);
        self.write_message(recipient, &message, now, out);
    }
}

/// A small envelope is copied, so that it does not keep the connection's read buffer in memory.
fn copy_if_small(envelope: &Bytes) -> Bytes {
    if envelope.len() < COPY_BELOW_BYTES { Bytes::copy_from_slice(envelope) } else { envelope.clone() }
}
