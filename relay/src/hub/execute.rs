//! Executes commands and store reports on the core, then writes the resulting bytes to sockets.

use std::sync::Arc;

use protocol::frame::RefuseParams;

use super::connection::Connection;
use super::connections::close_code;
use super::reply::ReplyContent;
use super::state::HubState;
use super::{Command, CommandBatch, Hub};
use crate::core::{ConnId, Event, NewSession, Now, Submission};
use crate::message_store::StoreReport;

impl Hub {
    /// Executes the commands of one read. Does nothing if the connection is closing.
    pub(crate) fn execute<'a>(&self, connection: &Connection, batch: impl Into<CommandBatch<'a>>) {
        let mut batch = batch.into();
        if batch.is_empty() {
            return;
        }
        self.with_state(|state| {
            if connection.is_closing() {
                return;
            }
            let now = self.now();
            for command in batch.drain() {
                self.execute_command(state, connection.id, command, now);
            }
        });
    }

    /// Opens the session of an agent that has registered under this root key. False if it was
    /// refused or the connection is closing.
    pub(crate) fn open_session(&self, connection: &Connection, opened: NewSession, root_key: &str) -> bool {
        self.with_state(|state| {
            if connection.is_closing() {
                return false;
            }
            // A change that is visible now may have been enforced before the connection had a DID.
            // One that becomes visible later is enforced after this lock is released.
            let may_open = self.directory.recheck_agent(&connection.principal, &opened.did, root_key);
            if let Err(error) = may_open {
                state.close(connection.id, close_code(error));
                return false;
            }
            let _ = connection.did.set(opened.did.clone());
            self.timeouts().mark_registered(connection.id);
            state.step(Event::Opened(opened), self.now(), &*self.directory);
            state.core.has_session(connection.id)
        })
    }

    pub(super) fn on_store_report(&self, report: StoreReport) {
        self.with_state(|state| {
            let event = match report {
                StoreReport::Stored { upto, rows, took } => {
                    self.metrics.committed(rows, took);
                    Event::Stored { upto }
                }
                StoreReport::Removed { rows } => Event::Removed { rows },
                StoreReport::StoreFailed { upto } => {
                    self.metrics.store_failures.inc();
                    Event::StoreFailed { upto }
                }
                StoreReport::Full => Event::StoreFull,
                StoreReport::Recovered => Event::StoreRecovered,
                StoreReport::Loaded { agent, epoch, page } => Event::Loaded { agent, epoch, page },
                StoreReport::LoadFailed { agent, epoch } => Event::LoadFailed { agent, epoch },
            };
            state.step(event, self.now(), &*self.directory);
        });
        self.changed.notify_waiters();
    }

    /// Runs a function under the lock, then serializes answers, and writes to every socket that got
    /// bytes.
    pub(super) fn with_state<T>(&self, run: impl FnOnce(&mut HubState) -> T) -> T {
        let (result, mut dirty, replies, counts) = {
            let mut state = self.state();
            let result = run(&mut state);
            (result, state.take_dirty(), state.take_replies(), state.take_counts())
        };
        self.metrics.add(&counts);
        for reply in replies {
            reply.write();
            dirty.mark(&reply.connection);
        }
        self.flush(&dirty);
        result
    }

    /// Writes what the sockets accept now. A socket that accepts nothing gets a stall timeout.
    pub(crate) fn flush(&self, dirty: &[Arc<Connection>]) {
        if dirty.is_empty() {
            return;
        }
        let now_ms = self.now_ms();
        for connection in dirty {
            if connection.flush(now_ms) {
                self.timeouts().mark_blocked(connection);
            }
        }
    }

    fn execute_command(&self, state: &mut HubState, conn: ConnId, command: Command<'_>, now: Now) {
        match command {
            Command::Send { id, routing, envelope, digest } => {
                let envelope = envelope.submitted();
                let submission = Submission {
                    conn,
                    request: id,
                    to: &routing.to,
                    from: &routing.from,
                    id: routing.id,
                    class: routing.class,
                    ttl: routing.ttl,
                    envelope,
                    digest,
                };
                state.counts.submitted.add(envelope.as_slice().len());
                state.step(Event::Sent(submission), now, &*self.directory);
            }
            Command::Ack(ack) => {
                let event = Event::Acked { conn, epoch: ack.epoch, seq: ack.seq };
                state.step(event, now, &*self.directory);
            }
            Command::RefuseDelivery(RefuseParams { epoch, seq, reason }) => {
                state.step(Event::Refused { conn, epoch, seq, reason }, now, &*self.directory);
            }
            Command::Challenged { id, result } => state.reply(conn, ReplyContent::Challenged { id, result }),
            Command::Discovered { id, mut result } => {
                for found in &mut result.agents {
                    found.online = state.core.is_online(found.did.as_str());
                }
                state.reply(conn, ReplyContent::Discovered { id, result });
            }
            Command::LookedUp { id, did, mut result } => {
                result.online = state.core.is_online(did.as_str());
                state.reply(conn, ReplyContent::LookedUp { id, result });
            }
            Command::Refuse { id, refusal } => {
                self.metrics.refused(refusal.reason);
                state.reply(conn, ReplyContent::Refused { id, refusal });
            }
        }
    }
}
