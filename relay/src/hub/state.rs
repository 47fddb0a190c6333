//! What the hub's lock guards, and effects as bytes in out-buffers.

use std::collections::HashMap;
use std::sync::Arc;

use protocol::frame::{
    NoticeParams, RegisterResult, RpcError, SendResult, method, write_deliver, write_error,
    write_notification, write_result,
};
use protocol::limits::WINDOW_MESSAGES;
use tokio::sync::mpsc;

use super::metrics::HubMetrics;
use crate::core::{ConnId, Core, Effect, Event, KnownAgents, Now};
use crate::mailbox::{LoadRequest, Queue};
use crate::session::Connection;

#[derive(Debug)]
pub(super) struct State {
    pub(super) core: Core,
    pub(super) connections: HashMap<ConnId, Arc<Connection>>,
    effects: Vec<Effect>,
    /// One frame's payload while it is written.
    payload: Vec<u8>,
    dirty: Vec<Arc<Connection>>,
    out: Outlets,
}

/// Where effects go besides connections.
#[derive(Debug)]
pub(super) struct Outlets {
    pub(super) queue: Arc<Queue>,
    pub(super) loads: mpsc::UnboundedSender<LoadRequest>,
    pub(super) metrics: Arc<HubMetrics>,
}

impl State {
    pub(super) fn new(core: Core, out: Outlets) -> Self {
        Self {
            core,
            connections: HashMap::new(),
            effects: Vec::new(),
            payload: Vec::new(),
            dirty: Vec::new(),
            out,
        }
    }

    pub(super) fn step(&mut self, event: Event<'_>, now: Now, known: &dyn KnownAgents) {
        let mut effects = std::mem::take(&mut self.effects);
        self.core.step(event, now, known, &mut effects);
        for effect in effects.drain(..) {
            self.carry_out(effect);
        }
        self.effects = effects;
    }

    /// Connections with something to write, to be flushed after the lock is released.
    pub(super) fn take_dirty(&mut self) -> Vec<Arc<Connection>> {
        std::mem::take(&mut self.dirty)
    }

    pub(super) fn carry_out(&mut self, effect: Effect) {
        match effect {
            Effect::Write(write) => self.out.queue.push(write),
            // The reader only goes away when the hub does.
            Effect::Load { agent, epoch, rows } => {
                let _ = self.out.loads.send(LoadRequest { agent, epoch, rows });
            }
            Effect::Count(tally) => self.out.metrics.tally(tally),
            Effect::Close { conn, code } => self.close(conn, code),
            Effect::Deliver { conn, epoch, seq, envelope } => {
                self.out.metrics.delivered(envelope.len());
                self.write(conn, |out| write_deliver(out, epoch, seq, &envelope));
            }
            Effect::Answer { conn, request, status } => {
                self.out.metrics.answered(status);
                self.write(conn, |out| write_result(out, &request.to_string(), &SendResult { status }));
            }
            Effect::Refuse { conn, request, reason, retry_after, quota } => {
                self.out.metrics.refused(reason);
                let retry_ms = retry_after.and_then(|wait| u64::try_from(wait.as_millis()).ok());
                let error = RpcError::new(reason, retry_ms).with_quota(quota);
                self.write(conn, |out| write_error(out, Some(&request.to_string()), &error));
            }
            Effect::Notice { conn, epoch, seq, id, to, outcome, at } => {
                self.out.metrics.noticed(outcome);
                if seq == 0 && self.connections.get(&conn).is_some_and(|c| c.is_crowded()) {
                    return;
                }
                let Ok(to) = to.parse() else { return };
                let params = NoticeParams { epoch, seq, id, to, outcome, at };
                self.write(conn, |out| write_notification(out, method::NOTICE, &params));
            }
            Effect::Welcome { conn, request, epoch, tenant, pending } => {
                let result = RegisterResult { epoch, tenant, window: WINDOW_MESSAGES, pending };
                self.write(conn, |out| write_result(out, &request.to_string(), &result));
            }
        }
    }

    /// Appends one frame to a connection. A connection that is gone needs nothing.
    pub(super) fn write(&mut self, conn: ConnId, payload: impl FnOnce(&mut Vec<u8>)) {
        let Some(connection) = self.connections.get(&conn) else { return };
        self.payload.clear();
        payload(&mut self.payload);
        connection.push_text(&self.payload);
        mark(&mut self.dirty, connection);
    }

    pub(super) fn close(&mut self, conn: ConnId, code: protocol::close::CloseCode) {
        let Some(connection) = self.connections.get(&conn) else { return };
        if connection.close(code) {
            self.out.metrics.closed(code);
        }
        mark(&mut self.dirty, connection);
    }
}

fn mark(dirty: &mut Vec<Arc<Connection>>, connection: &Arc<Connection>) {
    if connection.mark_dirty() {
        dirty.push(Arc::clone(connection));
    }
}
