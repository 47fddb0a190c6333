//! Takes what the sender's side hands over: delivers a message to the connection of a live
//! recipient, or writes it to the mailbox.

use std::sync::Arc;

use protocol::envelope::MessageId;
use protocol::frame::Outcome;

use super::agent_session::MemoryOnly;
use super::delivery_window::Content;
use super::may_send::{Recipient, RecipientSession, RelayLoad};
use super::recipient_side::RecipientSide;
use super::verdict::Handoff;
use super::{AgentRegistry, AgentSlot, CoreTime, Effect, SendRule, Submission};

impl RecipientSide {
    /// The facts of the agent that a message is for.
    pub(super) fn facts(
        &self,
        slot: AgentSlot,
        sent: &Submission<'_>,
        registry: &dyn AgentRegistry,
    ) -> Option<Recipient<'_>> {
        let (agent, size) = (self.mailboxes.get(slot)?, sent.envelope.len());
        let tenant = self.tenants.get(&agent.tenant);
        Some(Recipient {
            tenant: &agent.tenant,
            // One that is connected exists, and most messages go to those.
            reads: agent.session.is_some() || registry.accepts_messages(sent.to),
            session: agent.session.as_ref().map(|session| RecipientSession {
                live: session.live().is_some(),
                has_capacity: session.window.has_capacity(size),
            }),
            mailbox: agent.mailbox_usage(),
            tenant_usage: tenant.map(|tenant| tenant.usage).unwrap_or_default(),
            tenant_writing: tenant.map_or(0, |tenant| tenant.writing),
        })
    }

    /// What the mailboxes of all agents hold. The side does not know whether the relay drains.
    pub(super) fn load(&self) -> RelayLoad<'_> {
        RelayLoad {
            limits: &self.limits,
            draining: false,
            held_bytes: self.held_bytes,
            writing: self.pending_writes.len(),
            store: self.pending_writes.store,
            stalled: self.pending_writes.stalled,
            usage: self.usage,
            tenants: self.tenants.len(),
        }
    }

    pub(super) fn take(&mut self, handoff: Handoff, now: CoreTime, out: &mut Vec<Effect>) {
        match handoff {
            Handoff::New { recipient, message } => self.deliver_or_store(recipient, message, now, out),
            Handoff::Resent { mailbox, seq, message } => self.take_resent(mailbox, seq, message, now, out),
            Handoff::Notice { to, undelivered } => self.write_notice(to, undelivered, now, out),
            Handoff::Delivered { to, recipient, id } => self.tell_delivered(to, recipient, id, now, out),
        }
    }

    /// Puts an ephemeral message in flight, which nothing keeps.
    pub(super) fn forward(
        &mut self,
        recipient: AgentSlot,
        size: usize,
        out: &mut Vec<Effect>,
    ) -> Result<(), SendRule> {
        let session = self.session_mut(recipient).ok_or(SendRule::TablesAgree)?;
        let seq = session.window.push(size, Content::Nowhere);
        let (conn, epoch) = (session.conn, session.epoch);
        out.push(Effect::Forward { conn, epoch, seq });
        Ok(())
    }

    /// Delivers to the connection of a live recipient, or else writes to the mailbox.
    fn deliver_or_store(
        &mut self,
        recipient: AgentSlot,
        message: MemoryOnly,
        now: CoreTime,
        out: &mut Vec<Effect>,
    ) {
        self.held_bytes += message.envelope.len();
        let envelope = message.envelope.clone();
        let message = match self.session_mut(recipient) {
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

    /// A best-effort notice: it reaches the sender only while the sender is connected.
    fn tell_delivered(
        &self,
        sender: AgentSlot,
        to: Arc<str>,
        id: MessageId,
        now: CoreTime,
        out: &mut Vec<Effect>,
    ) {
        let Some((conn, epoch)) = self.session(sender).map(|session| (session.conn, session.epoch)) else {
            return;
        };
        let (outcome, at) = (Outcome::Delivered, now.unix);
        out.push(Effect::Notice { conn, epoch, seq: 0, id, to, outcome, reason: None, at, missed: 0 });
    }
}
