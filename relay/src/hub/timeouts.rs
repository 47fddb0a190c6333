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
/// Ticks of one ping interval.
const SLOTS: usize = 20;
const _: () = assert!(SLOTS as u64 * TICK.as_secs() == PING_INTERVAL.as_secs());

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
            // A slot comes round a little before its time is full.
            let silent = connection.silent_ms(now_ms) + millis(TICK) >= millis(IDLE_TIMEOUT);
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

#[cfg(test)]
mod tests {
    use protocol::api_key::KeyHash;
    use tokio::io::DuplexStream;

    use super::*;
    use crate::directory::Principal;

    /// A connection over a pipe of 16 bytes, and its other end.
    fn connection(watch: &mut Watch) -> (Arc<Connection>, DuplexStream) {
        let (near, far) = tokio::io::duplex(16);
        let key_id = KeyHash::of("a key").key_id();
        let principal = Principal { tenant: "acme".parse().unwrap(), agent: None, key_id };
        let peer = "127.0.0.1:1".parse().unwrap();
        let connection = Arc::new(Connection::new(ConnId(1), Box::new(near), principal, peer, 0));
        watch.enter(&connection, 0);
        (connection, far)
    }

    /// What is found in the second that ends at this time.
    fn verdicts(watch: &mut Watch, seconds: std::ops::RangeInclusive<u64>) -> Vec<(u64, Verdict)> {
        let found = seconds.flat_map(|s| watch.tick(s * 1000).into_iter().map(move |(_, v)| (s, v)));
        found.collect()
    }

    #[test]
    fn who_does_not_register_is_found_after_ten_seconds_and_once() {
        let mut watch = Watch::default();
        let _kept = connection(&mut watch);
        assert_eq!(verdicts(&mut watch, 1..=19), [(10, Verdict::Unregistered)]);
    }

    #[test]
    fn a_silent_connection_is_pinged_twice_and_given_up_after_a_minute() {
        let mut watch = Watch::default();
        let (connection, _far) = connection(&mut watch);
        watch.registered(connection.id);
        let found = verdicts(&mut watch, 1..=80);
        let expected = [(20, Verdict::Ping), (40, Verdict::Ping), (60, Verdict::Silent)];
        assert_eq!(found.get(..3), Some(&expected[..]));
    }

    #[test]
    fn a_connection_that_speaks_is_kept() {
        let mut watch = Watch::default();
        let (connection, _far) = connection(&mut watch);
        watch.registered(connection.id);
        for minute in 1..=10 {
            connection.heard(minute * 60_000 - 1);
            let found = verdicts(&mut watch, (minute - 1) * 60 + 1..=minute * 60);
            assert!(found.iter().all(|(_, verdict)| *verdict == Verdict::Ping), "{found:?}");
        }
    }

    #[test]
    fn a_socket_that_takes_nothing_is_given_up_after_ten_seconds() {
        let mut watch = Watch::default();
        let (connection, _far) = connection(&mut watch);
        watch.registered(connection.id);
        connection.push_text(&[b' '; 100]);
        assert!(connection.flush(1_000));
        assert!(!connection.flush(2_000), "blocked already");
        watch.blocked(&connection);
        assert_eq!(verdicts(&mut watch, 2..=12), [(11, Verdict::Stalled)]);
    }
}
