//! Accepts or refuses one `message.send`: collects the facts, asks [`may_send`], and then delivers
//! the message to a connection or writes it to a mailbox.

use daemon::token_bucket::TokenBucket;
use protocol::envelope::Class;
use protocol::frame::SendStatus;
use protocol::quota::QuotaName;

use super::agent_session::MemoryOnly;
use super::dedup::MessageKey;
use super::delivery_window::Content;
use super::may_send::{
    Header, IdUse, Recipient, RecipientSession, RelayLoad, SendDecision, Sender, Tokens, may_send,
};
use super::send_error::{ExceededLimit, SendError};
use super::tenant_budget::MailboxUsage;
use super::unstored::UnstoredMessage;
use super::{AgentRegistry, AgentSlot, Core, CoreTime, Effect, Rate, SendRule, Submission};

/// What a sender and its tenant may send and hold.
#[derive(Debug)]
struct SenderBudget {
    sender: AgentSlot,
    own: Tokens,
    shared: Tokens,
    /// What the mailboxes of the tenant hold.
    usage: MailboxUsage,
}

impl SenderBudget {
    const fn has_tokens(&self) -> bool {
        self.own.wait.is_none() && self.shared.wait.is_none()
    }
}

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
        let sender = self.sessions.get(&sent.conn).copied();
        let budget = sender.and_then(|sender| self.sender_budget(sender, now));
        // Whoever has to wait is refused whoever the recipient is.
        let has_tokens = budget.as_ref().is_some_and(SenderBudget::has_tokens);
        let recipient = if has_tokens { self.find_or_add(sent.to, registry) } else { None };
        let key = sender.map(|sender| MessageKey { sender, id: sent.id });
        let (id, unstored) = match key.filter(|_| sent.class == Class::Reliable) {
            Some(key) => self.id_use(key, sent.digest, now),
            None => (IdUse::New, None),
        };
        let decision = self.decide(budget, recipient, sent, id, registry);
        if decision.takes_tokens() {
            self.take_tokens(sender);
        }
        decision.into_result()?;
        let (key, recipient) = key.zip(recipient).ok_or(SendRule::TablesAgree)?;
        match (sent.class, id, unstored) {
            (Class::Ephemeral, ..) => self.forward_ephemeral(key.sender, recipient, sent, out),
            (Class::Reliable, IdUse::Repeated, _) => self.accept_resend(key, sent, now, out),
            (Class::Reliable, _, Some(unstored)) => self.resend_unstored(key, unstored, sent, now, out),
            (Class::Reliable, _, None) => self.accept_new(key, recipient, sent, now, out),
        }
    }

    /// The state of the sender's bucket and of its tenant's, and what the tenant's mailboxes hold.
    fn sender_budget(&mut self, sender: AgentSlot, now: CoreTime) -> Option<SenderBudget> {
        let (own, shared) = (self.limits.sender_rate, self.limits.tenant_rate);
        let agent = self.agents.agent_mut(sender)?;
        let tenant = self.tenants.get_mut(&agent.tenant)?;
        let bucket = agent.bucket.get_or_insert_with(|| TokenBucket::full(own, now.mono_ms));
        let tokens = |bucket: &mut TokenBucket, rate: Rate| {
            let wait = bucket.wait(rate, now.mono_ms);
            Tokens { wait, bucket: bucket.clone(), rate }
        };
        let (own, shared) = (tokens(bucket, own), tokens(&mut tenant.bucket, shared));
        Some(SenderBudget { sender, own, shared, usage: tenant.usage })
    }

    /// Takes one token of the sender and one of its tenant.
    fn take_tokens(&mut self, sender: Option<AgentSlot>) {
        let Some(agent) = sender.and_then(|sender| self.agents.agent_mut(sender)) else { return };
        if let (Some(own), Some(tenant)) = (&mut agent.bucket, self.tenants.get_mut(&agent.tenant)) {
            own.take();
            tenant.bucket.take();
        }
    }

    /// What is known of the id, and the delivery in flight that the store refused under it.
    fn id_use(&self, key: MessageKey, digest: u64, now: CoreTime) -> (IdUse, Option<UnstoredMessage>) {
        if self.pending_writes.is_uncertain(key) {
            return (IdUse::Uncertain, None);
        }
        let known = self.dedup.find(key, now.steady_ms).map(|known| known.digest());
        let unstored = self.unstored.get(key).filter(|_| known.is_none());
        let same = known.or(unstored.map(|unstored| unstored.digest)).is_none_or(|known| known == digest);
        let id = match known {
            _ if !same => IdUse::Other,
            Some(_) => IdUse::Repeated,
            None => IdUse::New,
        };
        (id, unstored)
    }

    fn decide(
        &self,
        budget: Option<SenderBudget>,
        recipient: Option<AgentSlot>,
        sent: &Submission<'_>,
        id: IdUse,
        registry: &dyn AgentRegistry,
    ) -> SendDecision {
        let size = sent.envelope.len();
        let sender = budget.and_then(|SenderBudget { sender, own, shared, usage }| {
            let agent = self.agents.agent(sender)?;
            Some(Sender {
                did: &agent.did,
                tenant: &agent.tenant,
                tokens: own,
                tenant_tokens: shared,
                unanswered: self.dedup.waiting(sender),
                tenant_usage: usage,
                tenant_writing: self.tenant_writes(sender),
            })
        });
        let recipient = recipient.and_then(|slot| self.agents.agent(slot)).map(|agent| Recipient {
            tenant: &agent.tenant,
            // One that is connected exists, and most messages go to those.
            reads: agent.session.is_some() || registry.accepts_messages(sent.to),
            session: agent.session.as_ref().map(|session| RecipientSession {
                live: session.live().is_some(),
                has_capacity: session.window.has_capacity(size),
            }),
            mailbox: agent.mailbox_usage(),
        });
        let header = Header { from: sent.from, class: sent.class, ttl: sent.ttl, size, id };
        may_send(sender.as_ref(), recipient.as_ref(), &header, &self.load())
    }

    fn load(&self) -> RelayLoad<'_> {
        RelayLoad {
            limits: &self.limits,
            draining: self.draining,
            held_bytes: self.held_bytes,
            writing: self.pending_writes.len(),
            store: self.pending_writes.store,
            stalled: self.pending_writes.stalled,
            usage: self.usage,
            tenants: self.tenants.len(),
        }
    }

    /// Forwards an ephemeral message to the recipient's connection.
    fn forward_ephemeral(
        &mut self,
        sender: AgentSlot,
        recipient: AgentSlot,
        sent: &Submission<'_>,
        out: &mut Vec<Effect>,
    ) -> Result<(), SendError> {
        let session = self.agents.session_mut(recipient).ok_or(SendRule::TablesAgree)?;
        let seq = session.window.push(sent.envelope.len(), Content::Nowhere);
        let (conn, epoch) = (session.conn, session.epoch);
        out.push(Effect::Forward { conn, epoch, seq });
        self.meter(sender, Class::Ephemeral, sent.envelope.len());
        let (conn, request) = (sent.conn, sent.request.clone());
        out.push(Effect::Answer { conn, request, status: SendStatus::Forwarded });
        Ok(())
    }

    fn accept_new(
        &mut self,
        key: MessageKey,
        recipient: AgentSlot,
        sent: &Submission<'_>,
        now: CoreTime,
        out: &mut Vec<Effect>,
    ) -> Result<(), SendError> {
        self.remember_waiting(key, sent.digest, sent, now)?;
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
            let exceeded = ExceededLimit { name: QuotaName::DedupEntries, limit, current };
            return Err(SendError::new(SendRule::IdRoom).with_limit(exceeded));
        }
        let request = (sent.conn, sent.request.clone());
        self.dedup.insert_waiting(key, digest, request, now.steady_ms);
        Ok(())
    }

    /// Accounts for a message that is only in memory and whose sender waits for an answer.
    pub(super) fn hold(&mut self, key: MessageKey, sent: &Submission<'_>, now: CoreTime) -> MemoryOnly {
        let ttl_seconds = sent.ttl.unwrap_or(0);
        let envelope = sent.envelope.to_bytes();
        self.held_bytes += envelope.len();
        MemoryOnly { key, ttl_seconds, expires_ms: now.after_seconds(ttl_seconds), envelope }
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
