//! Timeouts of connections, checked once a second: registration, idle connections, stalled sockets.
//!
//! A timer wheel replaces a timer for each connection: every connection is in one slot, and a slot
//! is checked once in each ping interval.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Weak};
use std::time::Duration;

use protocol::limits::{IDLE_TIMEOUT, PING_INTERVAL, REGISTRATION_TIMEOUT};

use super::connection::Connection;
use crate::core::ConnId;

/// How often timeouts are checked.
pub(super) const TICK_INTERVAL: Duration = Duration::from_secs(1);
/// How long a socket may accept no bytes before its connection ends: less than the time after which
/// the kernel resets it. A peer that reads 8 KB/s makes room for more bytes within it.
const STALL_TIMEOUT: Duration = Duration::from_secs(15);
/// Ticks in one ping interval.
const SLOTS: usize = 20;
const _: () = assert!(SLOTS as u64 * TICK_INTERVAL.as_secs() == PING_INTERVAL.as_secs());

#[derive(Debug)]
pub(super) struct ConnectionTimeouts {
    wheel: [Vec<Weak<Connection>>; SLOTS],
    slot: usize,
    /// Connections that may not have registered yet. All have the same timeout, so a queue keeps
    /// them in the order of their deadlines.
    unregistered: VecDeque<(u64, Weak<Connection>)>,
    registered: HashSet<ConnId>,
    blocked: HashMap<ConnId, Weak<Connection>>,
    /// Bytes that may wait for blocked sockets, for all connections together.
    unsent_bytes_max: usize,
}

/// The action that is due for one connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TimeoutAction {
    Ping,
    /// Nothing arrived for too long, and a blocked socket took nothing.
    EndIdle,
    /// The socket accepted nothing for too long.
    EndStalled,
    /// The bytes that wait for blocked sockets are too many, and no other connection has more.
    EndLargest,
    /// The agent did not register in time.
    EndUnregistered,
}

impl ConnectionTimeouts {
    pub(super) fn new(unsent_bytes_max: usize) -> Self {
        Self {
            wheel: std::array::from_fn(|_| Vec::new()),
            slot: 0,
            unregistered: VecDeque::new(),
            registered: HashSet::new(),
            blocked: HashMap::new(),
            unsent_bytes_max,
        }
    }

    pub(super) fn add(&mut self, connection: &Arc<Connection>, now_ms: u64) {
        if let Some(slot) = self.wheel.get_mut(self.slot) {
            slot.push(Arc::downgrade(connection));
        }
        self.unregistered.push_back((now_ms + millis(REGISTRATION_TIMEOUT), Arc::downgrade(connection)));
    }

    pub(super) fn mark_registered(&mut self, id: ConnId) {
        self.registered.insert(id);
    }

    pub(super) fn remove(&mut self, id: ConnId) {
        self.registered.remove(&id);
    }

    pub(super) fn mark_blocked(&mut self, connection: &Arc<Connection>) {
        self.blocked.insert(connection.id, Arc::downgrade(connection));
    }

    pub(super) fn tick(&mut self, now_ms: u64) -> Vec<(Arc<Connection>, TimeoutAction)> {
        let mut found = Vec::new();
        self.tick_wheel(now_ms, &mut found);
        self.tick_blocked(now_ms, &mut found);
        self.keep_budget(&mut found);
        while let Some((_, weak)) = self.unregistered.pop_front_if(|(at, _)| *at <= now_ms) {
            let connection = weak.upgrade().filter(|c| !self.registered.contains(&c.id));
            found.extend(connection.map(|c| (c, TimeoutAction::EndUnregistered)));
        }
        found
    }

    fn tick_wheel(&mut self, now_ms: u64, found: &mut Vec<(Arc<Connection>, TimeoutAction)>) {
        self.slot = (self.slot + 1) % SLOTS;
        let Some(slot) = self.wheel.get_mut(self.slot) else { return };
        slot.retain(|weak| {
            let Some(connection) = weak.upgrade() else { return false };
            // A slot may be checked a little before its interval has passed.
            let idle = connection.idle_ms(now_ms) + millis(TICK_INTERVAL) >= millis(IDLE_TIMEOUT);
            found.push((connection, if idle { TimeoutAction::EndIdle } else { TimeoutAction::Ping }));
            true
        });
    }

    fn tick_blocked(&mut self, now_ms: u64, found: &mut Vec<(Arc<Connection>, TimeoutAction)>) {
        self.blocked.retain(|_, weak| {
            let Some(connection) = weak.upgrade() else { return false };
            let blocked_ms = connection.blocked_for_ms(now_ms.saturating_add(1));
            if blocked_ms > millis(STALL_TIMEOUT) {
                found.push((connection, TimeoutAction::EndStalled));
                return false;
            }
            blocked_ms > 0
        });
    }

    /// Ends the connections for which the most bytes wait, until the others are within the budget.
    fn keep_budget(&mut self, found: &mut Vec<(Arc<Connection>, TimeoutAction)>) {
        let waiting = self.blocked.values().filter_map(Weak::upgrade).map(|c| (c.unsent_bytes(), c));
        let mut waiting: Vec<(usize, Arc<Connection>)> = waiting.collect();
        let mut bytes: usize = waiting.iter().map(|(bytes, _)| bytes).sum();
        if bytes <= self.unsent_bytes_max {
            return;
        }
        waiting.sort_unstable_by_key(|(bytes, _)| *bytes);
        while bytes > self.unsent_bytes_max
            && let Some((largest, connection)) = waiting.pop()
        {
            bytes -= largest;
            self.blocked.remove(&connection.id);
            found.push((connection, TimeoutAction::EndLargest));
        }
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::pin::Pin;
    use std::task::{Context, Waker};

    use protocol::api_key::KeyHash;
    use tokio::io::{AsyncRead as _, DuplexStream, ReadBuf};

    use super::*;
    use crate::directory::Principal;

    const UNSENT_BYTES_MAX: usize = 2_000;

    /// A connection over a pipe of 16 bytes, and the other end of the pipe.
    fn connection(timeouts: &mut ConnectionTimeouts) -> (Arc<Connection>, DuplexStream) {
        connection_with_id(timeouts, ConnId(1))
    }

    fn connection_with_id(timeouts: &mut ConnectionTimeouts, id: ConnId) -> (Arc<Connection>, DuplexStream) {
        let (near, far) = tokio::io::duplex(16);
        let key_id = KeyHash::sha256("a key").key_id();
        let principal = Principal { tenant: "acme".parse().unwrap(), agent: None, key_id };
        let peer = "127.0.0.1:1".parse().unwrap();
        let connection = Arc::new(Connection::new(id, Box::new(near), principal, peer, 0));
        timeouts.add(&connection, 0);
        (connection, far)
    }

    /// The actions that are due at these seconds.
    fn actions(
        timeouts: &mut ConnectionTimeouts,
        seconds: std::ops::RangeInclusive<u64>,
    ) -> Vec<(u64, TimeoutAction)> {
        let found = seconds.flat_map(|s| timeouts.tick(s * 1000).into_iter().map(move |(_, v)| (s, v)));
        found.collect()
    }

    #[test]
    fn a_connection_that_does_not_register_ends_after_ten_seconds() {
        let mut timeouts = ConnectionTimeouts::new(UNSENT_BYTES_MAX);
        let _kept = connection(&mut timeouts);
        assert_eq!(actions(&mut timeouts, 1..=19), [(10, TimeoutAction::EndUnregistered)]);
    }

    #[test]
    fn an_idle_connection_is_pinged_twice_and_ends_after_a_minute() {
        let mut timeouts = ConnectionTimeouts::new(UNSENT_BYTES_MAX);
        let (connection, _far) = connection(&mut timeouts);
        timeouts.mark_registered(connection.id);
        let found = actions(&mut timeouts, 1..=80);
        let expected = [(20, TimeoutAction::Ping), (40, TimeoutAction::Ping), (60, TimeoutAction::EndIdle)];
        assert_eq!(found.get(..3), Some(&expected[..]));
    }

    #[test]
    fn a_connection_that_sends_is_kept() {
        let mut timeouts = ConnectionTimeouts::new(UNSENT_BYTES_MAX);
        let (connection, _far) = connection(&mut timeouts);
        timeouts.mark_registered(connection.id);
        for minute in 1..=10 {
            connection.mark_alive(minute * 60_000 - 1);
            let found = actions(&mut timeouts, (minute - 1) * 60 + 1..=minute * 60);
            assert!(found.iter().all(|(_, action)| *action == TimeoutAction::Ping), "{found:?}");
        }
    }

    #[test]
    fn a_socket_that_accepts_no_bytes_ends_after_fifteen_seconds() {
        let mut timeouts = ConnectionTimeouts::new(UNSENT_BYTES_MAX);
        let (connection, _far) = connection(&mut timeouts);
        timeouts.mark_registered(connection.id);
        connection.push_text(|out| out.extend_from_slice(&[b' '; 100]));
        assert!(connection.flush(1_000));
        assert!(!connection.flush(2_000), "blocked already");
        timeouts.mark_blocked(&connection);
        assert_eq!(actions(&mut timeouts, 2..=17), [(16, TimeoutAction::EndStalled)]);
    }

    #[test]
    fn a_peer_that_takes_a_large_frame_slowly_is_alive() {
        let mut timeouts = ConnectionTimeouts::new(UNSENT_BYTES_MAX);
        let (connection, mut far) = connection(&mut timeouts);
        timeouts.mark_registered(connection.id);
        connection.push_text(|out| out.extend_from_slice(&[b' '; 1_000]));
        assert!(connection.flush(0));
        timeouts.mark_blocked(&connection);
        let mut cx = Context::from_waker(Waker::noop());
        for second in 1..=180 {
            if second % 9 == 0 {
                let mut bytes = [0; 16];
                let mut taken = ReadBuf::new(&mut bytes);
                assert!(Pin::new(&mut far).poll_read(&mut cx, &mut taken).is_ready());
                let mut nothing = [0; 16];
                let read = connection.poll_read(&mut cx, &mut ReadBuf::new(&mut nothing), second * 1_000);
                assert!(read.is_pending());
            }
            let due = timeouts.tick(second * 1_000);
            assert!(due.iter().all(|(_, action)| *action == TimeoutAction::Ping), "{second}: {due:?}");
        }
    }

    #[test]
    fn of_blocked_connections_the_largest_end_until_the_others_are_within_the_budget() {
        let mut timeouts = ConnectionTimeouts::new(UNSENT_BYTES_MAX);
        let mut kept = Vec::new();
        for (id, bytes) in [(1, 900), (2, 1_000), (3, 2_000), (4, 100)] {
            let (connection, far) = connection_with_id(&mut timeouts, ConnId(id));
            timeouts.mark_registered(connection.id);
            connection.push_text(|out| out.resize(out.len() + bytes, b' '));
            assert!(connection.flush(1_000));
            // A socket that was blocked again in between is there once.
            timeouts.mark_blocked(&connection);
            timeouts.mark_blocked(&connection);
            kept.push((connection, far));
        }
        assert_eq!(timeouts.blocked.len(), 4);
        let ended = timeouts.tick(2_000).into_iter().map(|(connection, action)| (connection.id.0, action));
        assert_eq!(ended.collect::<Vec<_>>(), [(3, TimeoutAction::EndLargest)]);
        assert_eq!(timeouts.tick(3_000).len(), 0);
    }
}
