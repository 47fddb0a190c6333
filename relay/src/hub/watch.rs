//! Time limits of connections, looked at once a second: registration, silence, and sockets that take nothing.
//!
//! A wheel instead of a timer per connection: each connection is in one slot, and a slot is looked at every ping interval.

use std::collections::{HashSet, VecDeque};
use std::sync::{Arc, Weak};
use std::time::Duration;

use protocol::limits::{IDLE_TIMEOUT, PING_INTERVAL, REGISTRATION_DEADLINE};

use crate::core::ConnId;
use crate::session::Connection;

pub(super) const TICK: Duration = Duration::from_secs(1);
/// How long a socket may take nothing before its connection is given up.
const STALL_LIMIT: Duration = Duration::from_secs(10);
const SLOTS: usize = (PING_INTERVAL.as_secs() / TICK.as_secs()) as usize;

#[derive(Debug)]
pub(super) struct Watch {
    wheel: [Vec<Weak<Connection>>; SLOTS],
    slot: usize,
    /// In the order of their deadlines, which are all equally far.
    unregistered: VecDeque<(u64, Weak<Connection>)>,
    registered: HashSet<ConnId>,
    blocked: Vec<Weak<Connection>>,
}

/// What has to be done about one connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Ping,
    /// Nothing came for too long.
    Silent,
    /// The socket took nothing for too long.
    Stalled,
    Unregistered,
}

impl Default for Watch {
    fn default() -> Self {
        Self {
            wheel: std::array::from_fn(|_| Vec::new()),
            slot: 0,
            unregistered: VecDeque::new(),
            registered: HashSet::new(),
            blocked: Vec::new(),
        }
    }
}

impl Watch {
    pub(super) fn enter(&mut self, connection: &Arc<Connection>, now_ms: u64) {
        if let Some(slot) = self.wheel.get_mut(self.slot) {
            slot.push(Arc::downgrade(connection));
        }
        self.unregistered.push_back((now_ms + millis(REGISTRATION_DEADLINE), Arc::downgrade(connection)));
    }

    pub(super) fn registered(&mut self, id: ConnId) {
        self.registered.insert(id);
    }

    pub(super) fn left(&mut self, id: ConnId) {
        self.registered.remove(&id);
    }

    pub(super) fn blocked(&mut self, connection: &Arc<Connection>) {
        self.blocked.push(Arc::downgrade(connection));
    }

    pub(super) fn tick(&mut self, now_ms: u64) -> Vec<(Arc<Connection>, Verdict)> {
        let mut found = Vec::new();
        self.tick_wheel(now_ms, &mut found);
        self.tick_blocked(now_ms, &mut found);
        while let Some((_, weak)) = self.unregistered.pop_front_if(|(at, _)| *at <= now_ms) {
            let connection = weak.upgrade().filter(|c| !self.registered.contains(&c.id));
            found.extend(connection.map(|c| (c, Verdict::Unregistered)));
        }
        found
    }

    fn tick_wheel(&mut self, now_ms: u64, found: &mut Vec<(Arc<Connection>, Verdict)>) {
        self.slot = (self.slot + 1) % SLOTS;
        let Some(slot) = self.wheel.get_mut(self.slot) else { return };
        slot.retain(|weak| {
            let Some(connection) = weak.upgrade() else { return false };
            let silent = connection.silent_ms(now_ms) > millis(IDLE_TIMEOUT);
            found.push((connection, if silent { Verdict::Silent } else { Verdict::Ping }));
            true
        });
    }

    fn tick_blocked(&mut self, now_ms: u64, found: &mut Vec<(Arc<Connection>, Verdict)>) {
        self.blocked.retain(|weak| {
            let Some(connection) = weak.upgrade() else { return false };
            let blocked_ms = connection.blocked_for_ms(now_ms.saturating_add(1));
            if blocked_ms > millis(STALL_LIMIT) {
                found.push((connection, Verdict::Stalled));
                return false;
            }
            blocked_ms > 0
        });
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
