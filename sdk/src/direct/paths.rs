//! The way in for senders: the tasks of all peers, and what they share.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use protocol::Did;
use protocol::direct::{DirectEndpoint, DirectRefusal};
use protocol::envelope::MessageId;
use protocol::frame::SendStatus;
use protocol::record::VerifiedRecord;
use tokio::sync::{mpsc, oneshot};

use super::greeting::GreetedLink;
use super::listener::{self, BoundListener};
use super::peer_event::{PEER_EVENTS_MAX, PeerEvent, QueuedSend, RelayRight};
use super::peer_task::PeerTask;
use super::shared::Shared;
use super::{disk_task, link};
use crate::agent_state::{AgentState, SentNews};
use crate::error::Error;
use crate::rpc::{self, RpcClient, WeakRpcClient};
use crate::sent::{Path, PathChoice};
use crate::trace;

/// Agents to which messages may go directly; each has a task and keeps up to 256 KiB. Messages to
/// further ones go through the relay, and their connections are refused.
const DIRECT_PEERS_MAX: usize = 256;
/// How long a send waits for a connection that must bring the recipient's record.
const RECORD_DIAL_TIMEOUT: Duration = Duration::from_secs(2);
/// How long closing waits for the last answers.
const DIRECT_CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

pub(crate) struct DirectPaths {
    shared: Arc<Shared>,
    peers: Mutex<HashMap<Did, mpsc::Sender<PeerEvent>>>,
}

/// A sealed message to one agent.
pub(crate) struct DirectSend<'a> {
    pub(crate) id: MessageId,
    pub(crate) to: &'a Did,
    /// The JSON of its envelope.
    pub(crate) params: String,
    pub(crate) recipient: &'a VerifiedRecord,
    pub(crate) choice: PathChoice,
    pub(crate) attempt: &'a str,
}

impl DirectPaths {
    /// Starts listening, if there is a listener. The tasks end with the agent.
    pub(crate) fn start(
        state: &Arc<AgentState>,
        rpc: WeakRpcClient,
        listener: Option<BoundListener>,
    ) -> Arc<Self> {
        let shared = Shared::new(Arc::clone(state), rpc);
        let paths = Arc::new(Self { shared: Arc::clone(&shared), peers: Mutex::default() });
        let tell = Arc::downgrade(&paths);
        state.on_sent_news(Box::new(move |did, id, news| tell_peer(&tell, did, id, news)));
        tokio::spawn(disk_task::run(Arc::clone(&shared)));
        if let Some(listener) = listener {
            let paths = Arc::downgrade(&paths);
            let on_link = move |greeted| accept_link(Weak::clone(&paths), greeted);
            tokio::spawn(listener::run(shared, listener, on_link));
        }
        paths
    }

    /// The record that the agent has given over a connection that is open, or that is made now
    /// because the relay cannot be asked.
    pub(crate) async fn record_of(&self, to: &Did) -> Option<Arc<VerifiedRecord>> {
        if let Some(record) = self.shared.live_record(to) {
            return Some(record);
        }
        let state = &self.shared.state;
        let is_connected = state.connection.borrow().is_connected();
        let listed = state.config.direct.as_ref().and_then(|direct| direct.peers.get(to));
        if listed.is_none() && is_connected {
            return None;
        }
        // Keys stay usable for a week after they were replaced.
        if let Some(record) = state.contacts.cached(to) {
            return Some(record);
        }
        let endpoints = listed?.endpoints.clone();
        let events = self.events_of(to)?;
        let (reply, replied) = oneshot::channel();
        let dial = async {
            events.send(PeerEvent::Dial { endpoints, reply }).await.ok()?;
            replied.await.ok()
        };
        // Why it failed is told by the send itself, if no other way is left.
        let _ = tokio::time::timeout(RECORD_DIAL_TIMEOUT, dial).await;
        self.shared.live_record(to)
    }

    /// Sends a message on the way that there is. `None` if there are too many peers to keep track
    /// of this one; the relay carries the message then.
    pub(crate) async fn send(
        &self,
        rpc: &RpcClient,
        send: DirectSend<'_>,
    ) -> Option<Result<(SendStatus, Path), Error>> {
        let events = self.events_of(send.to)?;
        let written = Arc::new(AtomicBool::new(false));
        let attempt = send.attempt;
        let sending = self.queue(rpc, events, &send, &written);
        let answer = tokio::time::timeout(rpc.timeout(), sending).await;
        let written = written.load(Ordering::Acquire);
        Some(answer.unwrap_or_else(|_| Err(rpc::timed_out(attempt, rpc.timeout(), written))))
    }

    async fn queue(
        &self,
        rpc: &RpcClient,
        events: mpsc::Sender<PeerEvent>,
        send: &DirectSend<'_>,
        written: &Arc<AtomicBool>,
    ) -> Result<(SendStatus, Path), Error> {
        let failed = |failure| rpc::failed(send.attempt, failure, written.load(Ordering::Acquire));
        let permit = rpc.reserve(send.params.len()).await.map_err(failed)?;
        let (caller, answered) = oneshot::channel();
        let queued = QueuedSend {
            id: send.id,
            params: send.params.as_str().into(),
            attempt: send.attempt.to_owned(),
            endpoints: self.endpoints_of(send.to, send.recipient),
            relay: self.relay_right(send.choice),
            rpc: rpc.clone(),
            permit,
            traceparent: trace::current(),
            written: Arc::clone(written),
            caller,
        };
        events.send(PeerEvent::Send(Box::new(queued))).await.map_err(|_| failed(rpc.ended()))?;
        answered.await.map_err(|_| failed(rpc.ended()))?
    }

    fn endpoints_of(&self, to: &Did, recipient: &VerifiedRecord) -> Vec<DirectEndpoint> {
        let direct = self.shared.state.config.direct.as_ref();
        let listed = direct.and_then(|direct| direct.peers.get(to)).map(|peer| peer.endpoints.clone());
        listed.filter(|listed| !listed.is_empty()).unwrap_or_else(|| recipient.direct_endpoints())
    }

    fn relay_right(&self, choice: PathChoice) -> RelayRight {
        match (choice, &self.shared.state.config.relay) {
            (PathChoice::DirectOnly, _) => RelayRight::Forbidden,
            (_, None) => RelayRight::NoRelay,
            (_, Some(_)) => RelayRight::Allowed,
        }
    }

    /// How often this agent refused a direct connection, or was refused one, for every reason.
    pub(crate) fn refusal_counts(&self) -> BTreeMap<DirectRefusal, u64> {
        self.shared.refusal_counts()
    }

    /// Gives the last answers and ends all links.
    pub(crate) async fn close(&self) {
        self.shared.close();
        // A peer that reads nothing is not waited for.
        let _ = tokio::time::timeout(DIRECT_CLOSE_TIMEOUT, self.shared.no_links()).await;
    }

    /// The task of a peer, which is started when it is needed.
    fn events_of(&self, did: &Did) -> Option<mpsc::Sender<PeerEvent>> {
        let mut peers = self.peers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(events) = peers.get(did) {
            return Some(events.clone());
        }
        if peers.len() >= DIRECT_PEERS_MAX {
            self.shared.count_refusal(DirectRefusal::TooManyConnections);
            return None;
        }
        let (events, received) = mpsc::channel(PEER_EVENTS_MAX);
        let task = PeerTask::new(Arc::clone(&self.shared), did.clone(), events.downgrade());
        tokio::spawn(task.run(received));
        peers.insert(did.clone(), events.clone());
        Some(events)
    }
}

async fn accept_link(paths: Weak<DirectPaths>, greeted: GreetedLink) {
    let Some((shared, events)) = paths
        .upgrade()
        .and_then(|paths| Some((Arc::clone(&paths.shared), paths.events_of(&greeted.record.did)?)))
    else {
        return;
    };
    link::run(shared, greeted, events).await;
}

/// What is learnt of a message is told if there is room. It only makes a switch faster.
fn tell_peer(paths: &Weak<DirectPaths>, did: &Did, id: MessageId, news: SentNews) {
    let Some(paths) = paths.upgrade() else { return };
    let peers = paths.peers.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(events) = peers.get(did) {
        let _ = events.try_send(PeerEvent::News(id, news));
    }
}
