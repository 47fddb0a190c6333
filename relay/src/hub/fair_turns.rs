//! Lets busy connections take turns, so that many of one tenant or of one address delay everybody
//! else no longer than one does.
//!
//! A connection is busy when more of its work is waiting. Then it waits until none of its tenant
//! and none of its address goes before it, and lets every connection that is not busy go first.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, Weak};

use daemon::https::ClientNetwork;
use protocol::did::TenantId;
use tokio::sync::Semaphore;

use super::Hub;
use crate::directory::Principal;
use crate::poison::exit_if_poisoned;

/// Entries of connections that have ended, at which they are looked for the first time.
const FIRST_SWEEP: usize = 64;

/// The queues in which busy connections wait.
#[derive(Debug)]
pub(super) struct FairTurns {
    tenants: Mutex<TurnQueues<TenantId>>,
    networks: Mutex<TurnQueues<ClientNetwork>>,
}

/// Has an entry for each key that a connection has, and for some that no connection has any more.
#[derive(Debug)]
struct TurnQueues<K> {
    workers: usize,
    queues: HashMap<K, Weak<Semaphore>>,
    sweep_at: usize,
}

/// The two queues of one connection.
#[derive(Debug)]
pub(crate) struct ConnectionTurns {
    tenant: Arc<Semaphore>,
    network: Arc<Semaphore>,
}

impl FairTurns {
    /// As many connections of a tenant have their turn at a time as there are workers: with one,
    /// a tenant alone could use only one of them.
    pub(super) fn new(workers: usize) -> Self {
        Self { tenants: Mutex::new(TurnQueues::new(workers)), networks: Mutex::new(TurnQueues::new(workers)) }
    }

    fn of(&self, tenant: &TenantId, peer: SocketAddr) -> ConnectionTurns {
        ConnectionTurns {
            tenant: exit_if_poisoned(self.tenants.lock(), "the turns of tenants").of(tenant.clone()),
            network: exit_if_poisoned(self.networks.lock(), "the turns of addresses").of(peer.ip().into()),
        }
    }
}

impl Hub {
    /// The turns of a connection of this principal.
    pub(crate) fn turns_of(&self, principal: &Principal, peer: SocketAddr) -> ConnectionTurns {
        self.turns.of(&principal.tenant, peer)
    }
}

impl ConnectionTurns {
    /// Waits for the connection's turn, which begins when this returns.
    pub(crate) async fn next(&self) {
        // An error would say that the queue is closed, which nobody does.
        let _of_tenant = self.tenant.acquire().await;
        let _of_network = self.network.acquire().await;
        // The place is held while all others go, and until then no other of the tenant gets one.
        tokio::task::yield_now().await;
    }
}

impl<K: Hash + Eq> TurnQueues<K> {
    fn new(workers: usize) -> Self {
        Self { workers, queues: HashMap::new(), sweep_at: FIRST_SWEEP }
    }

    fn of(&mut self, key: K) -> Arc<Semaphore> {
        if let Some(queue) = self.queues.get(&key).and_then(Weak::upgrade) {
            return queue;
        }
        if self.queues.len() >= self.sweep_at {
            self.queues.retain(|_, queue| queue.strong_count() > 0);
            self.sweep_at = FIRST_SWEEP.max(2 * self.queues.len());
        }
        let queue = Arc::new(Semaphore::new(self.workers));
        self.queues.insert(key, Arc::downgrade(&queue));
        queue
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::rc::Rc;

    use tokio::task::LocalSet;

    use super::*;

    fn peer(number: u8) -> SocketAddr {
        ([192, 0, 2, number], 1).into()
    }

    /// The names in the order of their turns, when each connection takes `count` of them.
    async fn order(connections: Vec<(char, ConnectionTurns)>, count: usize) -> String {
        let (taken, local) = (Rc::new(RefCell::new(String::new())), LocalSet::new());
        for (name, turns) in connections {
            let taken = Rc::clone(&taken);
            local.spawn_local(async move {
                for _ in 0..count {
                    turns.next().await;
                    taken.borrow_mut().push(name);
                }
            });
        }
        local.await;
        taken.take()
    }

    #[tokio::test]
    async fn a_tenant_with_many_busy_connections_gets_no_more_turns_than_one_with_one() {
        let turns = FairTurns::new(1);
        let (many, one) = ("many".parse().unwrap(), "one".parse().unwrap());
        let mut connections: Vec<_> = (0..8).map(|n| ('m', turns.of(&many, peer(n)))).collect();
        connections.push(('o', turns.of(&one, peer(9))));
        let order = order(connections, 10).await;
        let until_last = order.rfind('o').unwrap();
        let before = order.chars().take(until_last).filter(|name| *name == 'm').count();
        assert!(before <= 12, "{order}");
    }

    #[tokio::test]
    async fn the_tenants_of_one_address_take_turns_together() {
        let turns = FairTurns::new(1);
        let tenant = |n: u8| format!("tenant-{n}").parse().unwrap();
        let mut connections: Vec<_> = (0..8).map(|n| ('m', turns.of(&tenant(n), peer(1)))).collect();
        connections.push(('o', turns.of(&tenant(9), peer(9))));
        let order = order(connections, 10).await;
        let before = order.chars().take(order.rfind('o').unwrap()).filter(|name| *name == 'm').count();
        assert!(before <= 12, "{order}");
    }

    #[test]
    fn the_queues_of_ended_connections_are_forgotten() {
        let mut queues = TurnQueues::new(1);
        let kept = queues.of(0);
        for key in 1..10_000 {
            drop(queues.of(key));
        }
        assert!(Arc::ptr_eq(&kept, &queues.of(0)));
        assert!(queues.queues.len() <= FIRST_SWEEP, "{}", queues.queues.len());
    }
}
