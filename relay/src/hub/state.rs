//! The state under the hub's lock, and the effects of the core as bytes in write buffers.

use std::sync::Arc;

use foldhash::HashMap;
use protocol::close::CloseCode;
use protocol::frame::{SessionLimits, write_deliver, write_send_result};
use tokio::sync::mpsc;

use super::connection::Connection;
use super::dirty_connections::DirtyConnections;
use super::fixed_frames::{NoticeFrame, RegistrationFrame};
use super::message_counts::MessageCounts;
use super::metrics::HubMetrics;
use super::reply::{Reply, ReplyContent};
use crate::clock::unix_now;
use crate::core::{AgentRegistry, AgentSlot, ConnId, Core, Effect, Event, Now};
use crate::message_store::{LoadRequest, WriteQueue};

#[derive(Debug)]
pub(super) struct HubState {
    pub(super) core: Core,
    pub(super) connections: HashMap<ConnId, Arc<Connection>>,
    registration: RegistrationFrame,
    effects: Vec<Effect>,
    dirty: DirtyConnections,
    replies: Vec<Reply>,
    pub(super) counts: MessageCounts,
    /// Page loads that did not fit into the reader's queue.
    rejected_loads: Vec<(AgentSlot, u64)>,
    sinks: EffectSinks,
}

/// Receivers of the effects that do not go to a connection.
#[derive(Debug)]
pub(super) struct EffectSinks {
    pub(super) queue: Arc<WriteQueue>,
    pub(super) loads: mpsc::Sender<LoadRequest>,
    pub(super) metrics: Arc<HubMetrics>,
}

impl HubState {
    pub(super) fn new(core: Core, session_limits: &SessionLimits, sinks: EffectSinks) -> Self {
        Self {
            core,
            connections: HashMap::default(),
            registration: RegistrationFrame::new(session_limits),
            effects: Vec::new(),
            dirty: DirtyConnections::default(),
            replies: Vec::new(),
            counts: MessageCounts::default(),
            rejected_loads: Vec::new(),
            sinks,
        }
    }

    pub(super) fn step(&mut self, event: Event<'_>, now: Now, registry: &dyn AgentRegistry) {
        let mut effects = std::mem::take(&mut self.effects);
        let submitted = event.submitted_envelope();
        self.core.step(event, now, registry, &mut effects);
        for effect in effects.drain(..) {
            self.apply(effect, submitted);
        }
        for (agent, epoch) in std::mem::take(&mut self.rejected_loads) {
            // A failed load has no effect before the next tick.
            self.core.step(Event::LoadFailed { agent, epoch }, now, registry, &mut effects);
        }
        self.effects = effects;
    }

    /// Tells what was metered since the last tick.
    pub(super) fn tell_all_metered(&mut self) {
        let mut effects = std::mem::take(&mut self.effects);
        self.core.tell_all_metered(&mut effects);
        for effect in effects.drain(..) {
            self.apply(effect, &[]);
        }
        self.effects = effects;
    }

    /// Connections with bytes to write, to be flushed after the lock is released.
    pub(super) fn take_dirty(&mut self) -> DirtyConnections {
        self.dirty.take()
    }

    /// What was counted since the last call.
    pub(super) fn take_counts(&mut self) -> MessageCounts {
        std::mem::take(&mut self.counts)
    }

    /// Answers to be written after the lock is released.
    pub(super) fn take_replies(&mut self) -> Vec<Reply> {
        std::mem::take(&mut self.replies)
    }

    /// `submitted` is the envelope that the step was about.
    fn apply(&mut self, effect: Effect, submitted: &[u8]) {
        match effect {
            Effect::Write(write) => self.sinks.queue.push(write),
            Effect::LoadPage { agent, epoch, rows } => {
                if self.sinks.loads.try_send(LoadRequest { agent, epoch, rows }).is_err() {
                    self.rejected_loads.push((agent, epoch));
                }
            }
            Effect::Metered(event) => self.sinks.metrics.metered(&event),
            Effect::Count(counter) => self.sinks.metrics.count_event(counter),
            Effect::Close { conn, code } => self.close(conn, code),
            Effect::Deliver { conn, epoch, seq, envelope } => self.deliver(conn, epoch, seq, &envelope),
            Effect::Forward { conn, epoch, seq } => self.deliver(conn, epoch, seq, submitted),
            Effect::Answer { conn, request, status } => {
                self.counts.answered(status);
                self.write(conn, |out| write_send_result(out, &request, status));
            }
            Effect::Refuse { conn, request: id, error } => {
                self.sinks.metrics.refused(error.reason);
                self.sinks.metrics.refused_by(error.rule);
                self.reply(conn, ReplyContent::CoreRefused { id, error });
            }
            Effect::Notice { conn, epoch, seq, id, to, outcome, reason, at, missed } => {
                self.sinks.metrics.noticed(outcome);
                if seq == 0 && self.connections.get(&conn).is_some_and(|c| c.is_congested()) {
                    return;
                }
                let frame = NoticeFrame { epoch, seq, id, to: &to, outcome, at, reason, missed };
                self.write(conn, |out| frame.write(out));
            }
            Effect::Registered { conn, request, epoch, tenant, pending } => {
                let Some(connection) = self.connections.get(&conn) else { return };
                let registered = (epoch, &tenant, pending);
                connection.push_text(|out| self.registration.write(out, &request, registered, unix_now()));
                self.dirty.mark(connection);
            }
        }
    }

    fn deliver(&mut self, conn: ConnId, epoch: u64, seq: u64, envelope: &[u8]) {
        self.counts.delivered.add(envelope.len());
        self.write(conn, |out| write_deliver(out, epoch, seq, envelope));
    }

    /// Answers a request after the lock is released, if the connection is still there.
    pub(super) fn reply(&mut self, conn: ConnId, content: ReplyContent) {
        if let Some(connection) = self.connections.get(&conn) {
            self.replies.push(Reply { connection: Arc::clone(connection), content });
        }
    }

    /// Appends one frame to a connection's write buffer, if the connection is still there.
    pub(super) fn write(&mut self, conn: ConnId, payload: impl FnOnce(&mut Vec<u8>)) {
        let Some(connection) = self.connections.get(&conn) else { return };
        connection.push_text(payload);
        self.dirty.mark(connection);
    }

    pub(super) fn close(&mut self, conn: ConnId, code: CloseCode) {
        let Some(connection) = self.connections.get(&conn) else { return };
        if connection.close(code) {
            self.sinks.metrics.closed(code);
        }
        self.dirty.mark(connection);
    }
}
