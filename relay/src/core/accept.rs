//! Accepts or refuses one `message.send`: collects the facts of both sides, asks [`may_send`], and
//! hands the message over from the sender's side to the recipient's.

use protocol::envelope::Class;
use protocol::frame::SendStatus;
use protocol::quota::QuotaName;

use super::agent_session::MemoryOnly;
use super::dedup::MessageKey;
use super::may_send::{Header, IdUse, RelayLoad, SendDecision, may_send};
use super::send_error::{ExceededLimit, SendError};
use super::sender_budget::SenderBudget;
use super::sender_side::SenderSide;
use super::unstored::UnstoredMessage;
use super::verdict::Handoff;
use super::{AgentRegistry, AgentSlot, Core, CoreTime, Effect, SendRule, Submission};

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
        let budget = sender.and_then(|sender| self.senders.budget(sender, now));
        // Whoever has to wait is refused whoever the recipient is.
        let has_tokens = budget.as_ref().is_some_and(SenderBudget::has_tokens);
        let recipient = if has_tokens { self.find_or_add(sent.to, registry) } else { None };
        let key = sender.map(|sender| MessageKey { sender, id: sent.id });
        let (id, unstored) = match key.filter(|_| sent.class == Class::Reliable) {
            Some(key) => self.senders.id_use(key, sent.digest, now),
            None => (IdUse::New, None),
        };
        let decision = self.decide(budget, recipient, sent, id, registry);
        if decision.takes_tokens() {
            self.senders.take_tokens(sender);
        }
        decision.into_result()?;
        let (key, recipient) = key.zip(recipient).ok_or(SendRule::TablesAgree)?;
        let handoff = match (sent.class, id, unstored) {
            (Class::Ephemeral, ..) => return self.forward_ephemeral(key.sender, recipient, sent, out),
            (Class::Reliable, IdUse::Repeated, _) => {
                let store = self.recipients.store_health();
                return self.senders.accept_resend(key, sent, store, now, out);
            }
            (Class::Reliable, _, Some(unstored)) => {
                self.senders.resend_unstored(key, unstored, sent, now, out)?
            }
            (Class::Reliable, _, None) => {
                let message = self.senders.accept_new(key, sent.digest, sent, now)?;
                Handoff::New { recipient, message }
            }
        };
        self.recipients.take(handoff, now, out);
        Ok(())
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
        let sender = budget.and_then(|budget| self.senders.facts(budget));
        let recipient = recipient.and_then(|slot| self.recipients.facts(slot, sent, registry));
        let header = Header { from: sent.from, class: sent.class, ttl: sent.ttl, size, id };
        let load = RelayLoad { draining: self.draining, ..self.recipients.load() };
        may_send(sender.as_ref(), recipient.as_ref(), &header, &load)
    }

    /// Forwards an ephemeral message to the recipient's connection.
    fn forward_ephemeral(
        &mut self,
        sender: AgentSlot,
        recipient: AgentSlot,
        sent: &Submission<'_>,
        out: &mut Vec<Effect>,
    ) -> Result<(), SendError> {
        self.recipients.forward(recipient, sent.envelope.len(), out)?;
        self.senders.meter(sender, Class::Ephemeral, sent.envelope.len());
        let (conn, request) = (sent.conn, sent.request.clone());
        out.push(Effect::Answer { conn, request, status: SendStatus::Forwarded });
        Ok(())
    }
}

impl SenderSide {
    /// What is known of the id, and the delivery in flight that the store refused under it.
    fn id_use(&self, key: MessageKey, digest: u64, now: CoreTime) -> (IdUse, Option<UnstoredMessage>) {
        if self.uncertain.contains(&key) {
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

    /// Remembers the id, whose answer this request waits for, and returns the message to hand over.
    pub(super) fn accept_new(
        &mut self,
        key: MessageKey,
        digest: u64,
        sent: &Submission<'_>,
        now: CoreTime,
    ) -> Result<MemoryOnly, SendError> {
        let account = self.accounts.get(key.sender).ok_or(SendRule::TablesAgree)?;
        let from = account.did.clone();
        if !self.dedup.make_room(key.sender, now.steady_ms) {
            let (limit, current) = (self.limits.dedup_entries_max as u64, self.dedup.len() as u64);
            let exceeded = ExceededLimit { name: QuotaName::DedupEntries, limit, current };
            return Err(SendError::new(SendRule::IdRoom).with_limit(exceeded));
        }
        let request = (sent.conn, sent.request.clone());
        self.dedup.insert_waiting(key, digest, request, now.steady_ms);
        let ttl_seconds = sent.ttl.unwrap_or(0);
        let expires_ms = now.after_seconds(ttl_seconds);
        Ok(MemoryOnly { key, from, digest, ttl_seconds, expires_ms, envelope: sent.envelope.to_bytes() })
    }
}
