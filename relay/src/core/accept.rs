//! One `message.send`: may this sender, does the recipient exist for it, was it sent before, and which way does it go.

use std::time::Duration;

use bytes::Bytes;
use protocol::Reason;
use protocol::envelope::Class;
use protocol::frame::SendStatus;
use protocol::limits::{ENVELOPE_BYTES_MAX, MAX_TTL_SECONDS};
use protocol::quota::{Quota, QuotaName};

use super::agent::Agent;
use super::digest::digest;
use super::effect::Tally;
use super::ledger::{MessageKey, State};
use super::limits::{
    ACK_GRACE, COPY_BELOW, DRAIN_RETRY, OVERLOAD_RETRY, STORAGE_RETRY, UNANSWERED_MAX, WRITES_PENDING_MAX,
};
use super::sessions::Due;
use super::window::{Content, Flight, Fresh};
use super::{AgentKey, Core, Effect, KnownAgents, Now, Submission};
use daemon::token_bucket::TokenBucket;

/// A send that is not taken, and when another try makes sense.
#[derive(Debug, Clone, Copy)]
struct Refusal {
    reason: Reason,
    retry_after: Option<Duration>,
    /// The limit that was met.
    quota: Option<Quota>,
}

impl Refusal {
    const fn later(reason: Reason, wait: Duration) -> Self {
        Self { reason, retry_after: Some(wait), quota: None }
    }

    const fn over(self, name: QuotaName, limit: u64, current: u64) -> Self {
        Self { quota: Some(Quota::of_default_plan(name, limit, current)), ..self }
    }
}

impl From<Reason> for Refusal {
    fn from(reason: Reason) -> Self {
        Self { reason, retry_after: None, quota: None }
    }
}

impl Core {
    pub(super) fn accept(
        &mut self,
        sent: &Submission<'_>,
        now: Now,
        known: &dyn KnownAgents,
        out: &mut Vec<Effect>,
    ) {
        if let Err(Refusal { reason, retry_after, quota }) = self.try_accept(sent, now, known, out) {
            let (conn, request) = (sent.conn, sent.request.clone());
            out.push(Effect::Refuse { conn, request, reason, retry_after, quota });
        }
    }

    fn try_accept(
        &mut self,
        sent: &Submission<'_>,
        now: Now,
        known: &dyn KnownAgents,
        out: &mut Vec<Effect>,
    ) -> Result<(), Refusal> {
        let sender = self.sessions.get(&sent.conn).copied().ok_or(Reason::NotRegistered)?;
        self.check_form(sender, sent)?;
        self.spend_tokens(sender, now)?;
        let recipient = self.reach(sender, sent.to, known)?;
        match sent.class {
            Class::Ephemeral => self.forward(recipient, sent, out),
            Class::Reliable => self.accept_reliable(sender, recipient, sent, now, out),
        }
    }

    fn check_form(&self, sender: AgentKey, sent: &Submission<'_>) -> Result<(), Refusal> {
        let agent = self.roster.agent(sender).ok_or(Reason::NotRegistered)?;
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
            return Err(Refusal::later(Reason::Draining, DRAIN_RETRY));
        }
        Ok(())
    }

    /// One token of the sender and one of its tenant, or none of either.
    fn spend_tokens(&mut self, sender: AgentKey, now: Now) -> Result<(), Refusal> {
        let (own, shared) = (self.limits.sender_rate, self.limits.tenant_rate);
        let agent = self.roster.agent_mut(sender).ok_or(Reason::NotRegistered)?;
        if !self.tenants.contains_key(&agent.tenant) {
            self.tenants.insert(agent.tenant.clone(), TokenBucket::full(shared, now.mono_ms));
        }
        let tenant = self.tenants.get_mut(&agent.tenant).ok_or(Reason::Internal)?;
        let bucket = agent.bucket.get_or_insert_with(|| TokenBucket::full(own, now.mono_ms));
        let (own_wait, shared_wait) = (bucket.wait(own, now.mono_ms), tenant.wait(shared, now.mono_ms));
        if let Some(wait) = own_wait.max(shared_wait) {
            let limited = Refusal::later(Reason::RateLimited, wait);
            return Err(if own_wait >= shared_wait {
                limited.over(QuotaName::SendsBurst, own.burst_count(), bucket.taken(own))
            } else {
                limited.over(QuotaName::TenantSendsBurst, shared.burst_count(), tenant.taken(shared))
            });
        }
        bucket.take();
        tenant.take();
        Ok(())
    }

    /// The recipient, if it exists in the sender's tenant. Whether it exists elsewhere makes no difference.
    fn reach(&mut self, sender: AgentKey, to: &str, known: &dyn KnownAgents) -> Result<AgentKey, Refusal> {
        let recipient = match self.roster.find(to) {
            Some(key) => key,
            None => {
                let tenant = known.tenant_of(to).ok_or(Reason::NotFound)?;
                self.roster.add(Agent::new(to.into(), tenant))
            }
        };
        let (from, to) = (self.roster.agent(sender), self.roster.agent(recipient));
        let same_tenant = from.zip(to).is_some_and(|(from, to)| from.tenant == to.tenant);
        if same_tenant { Ok(recipient) } else { Err(Reason::NotFound.into()) }
    }

    /// Ephemeral: to the connection or nowhere.
    fn forward(
        &mut self,
        recipient: AgentKey,
        sent: &Submission<'_>,
        out: &mut Vec<Effect>,
    ) -> Result<(), Refusal> {
        let agent = self.roster.agent_mut(recipient).ok_or(Reason::NotFound)?;
        let session = agent.session.as_mut().ok_or(Reason::RecipientOffline)?;
        let size = sent.envelope.len();
        if !session.has_room(size) {
            return Err(Refusal::later(Reason::Overloaded, OVERLOAD_RETRY));
        }
        let seq = session.push(Flight { size, content: Content::Ephemeral });
        let (conn, epoch) = (session.conn, session.epoch);
        out.push(Effect::Deliver { conn, epoch, seq, envelope: sent.envelope.clone() });
        let (conn, request) = (sent.conn, sent.request.clone());
        out.push(Effect::Answer { conn, request, status: SendStatus::Forwarded });
        Ok(())
    }

    fn accept_reliable(
        &mut self,
        sender: AgentKey,
        recipient: AgentKey,
        sent: &Submission<'_>,
        now: Now,
        out: &mut Vec<Effect>,
    ) -> Result<(), Refusal> {
        let key = MessageKey { sender, id: sent.id };
        let digest = digest(sent.envelope);
        if self.ledger.entry_mut(key).is_some() {
            return self.accept_again(key, digest, recipient, sent, now, out);
        }
        self.check_room(sender, recipient, sent.envelope.len())?;

        let fresh = Fresh { key, expires: now.unix + sent.ttl.unwrap_or(0), envelope: retain(sent.envelope) };
        let state = State::Waiting { conn: sent.conn, request: sent.request.clone() };
        self.ledger.insert(key, digest, state, now.unix);
        self.ledger.trim(now.unix);
        self.held_bytes += fresh.envelope.len();
        if let Some(agent) = self.roster.agent_mut(sender) {
            agent.unanswered += 1;
        }
        self.route(recipient, fresh, now, out);
        Ok(())
    }

    fn check_room(&self, sender: AgentKey, recipient: AgentKey, size: usize) -> Result<(), Refusal> {
        let from = self.roster.agent(sender).ok_or(Reason::NotRegistered)?;
        let to = self.roster.agent(recipient).ok_or(Reason::NotFound)?;
        let crowded = from.unanswered >= UNANSWERED_MAX
            || self.held_bytes + size > self.limits.held_bytes_max
            || self.journal.pending() >= WRITES_PENDING_MAX;
        if crowded {
            return Err(Refusal::later(Reason::Overloaded, OVERLOAD_RETRY));
        }
        if let Some((name, limit, current)) = to.over_limit(size, &self.limits) {
            return Err(Refusal::later(Reason::MailboxFull, STORAGE_RETRY).over(name, limit, current));
        }
        let direct = to.session.as_ref().is_some_and(|s| !s.backlog && s.has_room(size));
        if self.journal.failed() && !direct {
            return Err(Refusal::later(Reason::StorageUnavailable, STORAGE_RETRY));
        }
        Ok(())
    }

    /// To the connection of a live recipient, else to the mailbox.
    fn route(&mut self, recipient: AgentKey, fresh: Fresh, now: Now, out: &mut Vec<Effect>) {
        let size = fresh.envelope.len();
        let Some(agent) = self.roster.agent_mut(recipient) else { return };
        let live = match &mut agent.session {
            Some(session) if !session.backlog => session.has_room(size),
            _ => false,
        };
        if !live {
            self.enter_backlog(recipient, now, out);
            self.write_message(recipient, &fresh, now, out);
            return;
        }
        let Some(session) = &mut agent.session else { return };
        let (conn, epoch, envelope) = (session.conn, session.epoch, fresh.envelope.clone());
        let seq = session.push(Flight { size, content: Content::Fresh(fresh) });
        out.push(Effect::Deliver { conn, epoch, seq, envelope });
        self.await_ack(recipient, epoch, seq, now);
    }

    fn await_ack(&mut self, mailbox: AgentKey, epoch: u64, seq: u64, now: Now) {
        let at_ms = now.mono_ms + u64::try_from(ACK_GRACE.as_millis()).unwrap_or(u64::MAX);
        self.grace.push_back(Due { at_ms, mailbox, epoch, seq });
    }

    /// The same id once more: the same answer for the same bytes.
    fn accept_again(
        &mut self,
        key: MessageKey,
        digest: u64,
        recipient: AgentKey,
        sent: &Submission<'_>,
        now: Now,
        out: &mut Vec<Effect>,
    ) -> Result<(), Refusal> {
        let entry = self.ledger.entry_mut(key).ok_or(Reason::Internal)?;
        if entry.digest != digest {
            return Err(Reason::DuplicateId.into());
        }
        let (conn, request) = (sent.conn, sent.request.clone());
        match &entry.state {
            State::Answered(status) => out.push(Effect::Answer { conn, request, status: *status }),
            // Each request has its own answer; this one may ask again when the first has got it.
            State::Waiting { conn: other, .. } if *other == conn => {
                return Err(Refusal::later(Reason::Overloaded, OVERLOAD_RETRY));
            }
            State::Waiting { .. } => entry.state = State::Waiting { conn, request },
            State::Unclaimed => {
                entry.state = State::Waiting { conn, request };
                self.reclaim(key, recipient, sent, now);
            }
        }
        out.push(Effect::Count(Tally::Repeated));
        Ok(())
    }

    /// The store refused this message while it was in flight, and its sender tries again.
    fn reclaim(&mut self, key: MessageKey, recipient: AgentKey, sent: &Submission<'_>, now: Now) {
        let fresh = Fresh { key, expires: now.unix + sent.ttl.unwrap_or(0), envelope: retain(sent.envelope) };
        self.held_bytes += fresh.envelope.len();
        if let Some(agent) = self.roster.agent_mut(key.sender) {
            agent.unanswered += 1;
        }
        let Some(session) = self.roster.agent_mut(recipient).and_then(|a| a.session.as_mut()) else { return };
        let Some(seq) = session.unstored_seq(key) else { return };
        let epoch = session.epoch;
        session.reclaim(seq, fresh);
        self.await_ack(recipient, epoch, seq, now);
    }
}

/// Small payloads are copied, so that they do not keep the connection's read buffer alive.
fn retain(envelope: &Bytes) -> Bytes {
    if envelope.len() < COPY_BELOW { Bytes::copy_from_slice(envelope) } else { envelope.clone() }
}
