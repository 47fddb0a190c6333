//! Frames and reports through the core, and then the bytes to the sockets.

use std::sync::Arc;

use protocol::frame::{RpcError, write_error, write_result};

use super::state::State;
use super::{Batch, Hub, Item};
use crate::core::{ConnId, Event, Now, Opened, Submission};
use crate::mailbox::Report;
use crate::session::Connection;

impl Hub {
    /// Carries out what one read brought. Nothing, if the connection was closed meanwhile.
    pub(crate) fn run(&self, connection: &Connection, batch: Batch<'_>) {
        if batch.items.is_empty() {
            return;
        }
        self.locked(|state| {
            if connection.is_closing() {
                return;
            }
            let now = self.now();
            for item in batch.items {
                self.run_item(state, connection.id, item, now);
            }
        });
    }

    /// Makes the connection the agent's session. False: refused, or closed meanwhile.
    pub(crate) fn open_session(&self, connection: &Connection, opened: Opened) -> bool {
        self.locked(|state| {
            // Whatever was revoked between the directory's decision and this lock has closed the connection.
            if connection.is_closing() {
                return false;
            }
            let did = opened.did.clone();
            let _ = connection.did.set(did.clone());
            self.watch().registered(connection.id);
            state.step(Event::Opened(opened), self.now(), &*self.directory);
            state.core.is_online(did.as_str())
        })
    }

    pub(super) fn report(&self, report: Report) {
        self.locked(|state| {
            let event = match report {
                Report::Stored { upto, rows, took } => {
                    self.metrics.committed(rows, took);
                    Event::Stored { upto }
                }
                Report::StoreFailed { upto } => {
                    self.metrics.store_failures.inc();
                    Event::StoreFailed { upto }
                }
                Report::Recovered => Event::StoreRecovered,
                Report::Loaded { agent, epoch, page } => Event::Loaded { agent, epoch, page },
                Report::LoadFailed { agent, epoch } => Event::LoadFailed { agent, epoch },
            };
            state.step(event, self.now(), &*self.directory);
        });
        self.changed.notify_waiters();
    }

    /// Runs under the lock, then writes to every socket that got something.
    pub(super) fn locked<T>(&self, run: impl FnOnce(&mut State) -> T) -> T {
        let (result, dirty) = {
            let mut state = self.state();
            let result = run(&mut state);
            (result, state.take_dirty())
        };
        self.flush(&dirty);
        result
    }

    /// Writes what the sockets take now; those that take nothing are watched.
    pub(crate) fn flush(&self, dirty: &[Arc<Connection>]) {
        if dirty.is_empty() {
            return;
        }
        let now_ms = self.now_ms();
        for connection in dirty {
            if connection.flush(now_ms) {
                self.watch().blocked(connection);
            }
        }
    }

    fn run_item(&self, state: &mut State, conn: ConnId, item: Item<'_>, now: Now) {
        match item {
            Item::Send { id, routing, envelope } => {
                let submission = Submission {
                    conn,
                    request: id,
                    to: &routing.to,
                    from: &routing.from,
                    id: routing.id,
                    class: routing.class,
                    ttl: routing.ttl,
                    envelope: &envelope,
                };
                self.metrics.submitted(envelope.len());
                state.step(Event::Sent(submission), now, &*self.directory);
            }
            Item::Ack(ack) => {
                let event = Event::Acked { conn, epoch: ack.epoch, seq: ack.seq };
                state.step(event, now, &*self.directory);
            }
            Item::Challenged { id, result } => {
                state.write(conn, |out| write_result(out, &id.to_string(), &result));
            }
            Item::Discovered { id, mut result } => {
                for found in &mut result.agents {
                    found.online = state.core.is_online(found.did.as_str());
                }
                state.write(conn, |out| write_result(out, &id.to_string(), &result));
            }
            Item::LookedUp { id, did, mut result } => {
                result.online = state.core.is_online(did.as_str());
                state.write(conn, |out| write_result(out, &id.to_string(), &result));
            }
            Item::Refuse { id, reason } => {
                self.metrics.refused(reason);
                let (id, error) = (id.map(|id| id.to_string()), RpcError::new(reason, None));
                state.write(conn, |out| write_error(out, id.as_deref(), &error));
            }
        }
    }
}
