//! The state that all tasks of direct connections share.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use protocol::Did;
use protocol::direct::DirectRefusal;
use protocol::record::VerifiedRecord;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::agent_state::AgentState;
use crate::connection_state::ConnectionState;
use crate::error::{Error, ErrorKind};
use crate::rpc::WeakRpcClient;
use crate::state_machine::LinkId;

pub(super) struct Shared {
    pub(super) state: Arc<AgentState>,
    pub(super) rpc: WeakRpcClient,
    started: Instant,
    last_link: AtomicU64,
    /// The peers with an open link: their records, and how many links they have.
    live: Mutex<HashMap<Did, (Arc<VerifiedRecord>, usize)>>,
    /// How many links are open.
    links: watch::Sender<usize>,
    closing: watch::Sender<bool>,
    refusals: Mutex<BTreeMap<DirectRefusal, u64>>,
}

/// Why there is no link.
#[derive(Debug)]
pub(super) enum LinkFailure {
    /// This side or the other one refused it.
    Refused(DirectRefusal),
    Failed(Error),
}

impl LinkFailure {
    pub(super) fn into_error(self, peer: &Did) -> Error {
        match self {
            Self::Refused(reason) => {
                let attempt = format!("{peer} refused a direct connection");
                Error::new(ErrorKind::DirectRefused(reason), attempt).caused_by(reason.meaning())
            }
            Self::Failed(error) => error,
        }
    }
}

/// Counts an open link as long as it lives.
pub(super) struct LiveLink {
    shared: Arc<Shared>,
    did: Did,
}

impl Drop for LiveLink {
    fn drop(&mut self) {
        let mut live = self.shared.live.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, links)) = live.get_mut(&self.did) {
            *links -= 1;
            if *links == 0 {
                live.remove(&self.did);
            }
        }
        drop(live);
        self.shared.links.send_modify(|links| *links = links.saturating_sub(1));
    }
}

impl Shared {
    pub(super) fn new(state: Arc<AgentState>, rpc: WeakRpcClient) -> Arc<Self> {
        Arc::new(Self {
            state,
            rpc,
            started: Instant::now(),
            last_link: AtomicU64::new(0),
            live: Mutex::default(),
            links: watch::channel(0).0,
            closing: watch::channel(false).0,
            refusals: Mutex::default(),
        })
    }

    /// Monotonic time.
    pub(super) fn now(&self) -> Duration {
        self.started.elapsed()
    }

    /// The moment that [`now`](Self::now) is this.
    pub(super) fn instant(&self, at: Duration) -> Instant {
        self.started.checked_add(at).unwrap_or_else(Instant::now)
    }

    pub(super) fn next_link(&self) -> LinkId {
        self.last_link.fetch_add(1, Ordering::Relaxed) + 1
    }

    pub(super) fn open_link(self: &Arc<Self>, record: &Arc<VerifiedRecord>) -> LiveLink {
        let did = record.did.clone();
        let mut live = self.live.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = live.entry(did.clone()).or_insert_with(|| (Arc::clone(record), 0));
        *entry = (Arc::clone(record), entry.1 + 1);
        drop(live);
        self.links.send_modify(|links| *links += 1);
        LiveLink { shared: Arc::clone(self), did }
    }

    /// The record that a connected peer gave of itself.
    pub(super) fn live_record(&self, did: &Did) -> Option<Arc<VerifiedRecord>> {
        let live = self.live.lock().unwrap_or_else(PoisonError::into_inner);
        live.get(did).map(|(record, _)| Arc::clone(record))
    }

    pub(super) fn count_refusal(&self, reason: DirectRefusal) {
        *self.refusals.lock().unwrap_or_else(PoisonError::into_inner).entry(reason).or_default() += 1;
    }

    pub(super) fn refusal_counts(&self) -> BTreeMap<DirectRefusal, u64> {
        let counts = self.refusals.lock().unwrap_or_else(PoisonError::into_inner);
        let count = |reason: &DirectRefusal| (*reason, counts.get(reason).copied().unwrap_or(0));
        DirectRefusal::ALL.iter().map(count).collect()
    }

    pub(super) fn close(&self) {
        self.closing.send_replace(true);
    }

    /// Returns when no link is open.
    pub(super) async fn no_links(&self) {
        // The sender lives in this state.
        let _ = self.links.subscribe().wait_for(|links| *links == 0).await;
    }

    /// Returns when the agent closes or has ended.
    pub(super) async fn ended(&self) {
        let (mut closing, mut connection) = (self.closing.subscribe(), self.state.connection.subscribe());
        tokio::select! {
            _ = closing.wait_for(|closing| *closing) => {}
            _ = connection.wait_for(|now| matches!(now, ConnectionState::Ended(_))) => {}
        }
    }
}
