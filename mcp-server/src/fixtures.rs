//! Messages, tasks, and a toolbox on a network with scripted answers, for unit tests.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use futures::future::BoxFuture;
use protocol::Did;
use protocol::envelope::{Content, MessageId, MessageType};
use protocol::frame::{self, DiscoverParams, DiscoverResult, SendStatus};
use protocol::record::{Capability, Card};
use protocol::task::{State, TaskMessage};
use serde_json::Value;

use crate::database::Database;
use crate::inbox::{MessageHeader, ReceivedMessage};
use crate::message_store::MessageStore;
use crate::metrics::EndpointMetrics;
use crate::network::{
    Acknowledge, Contact, Network, NetworkError, OutgoingMessage, OwnAgent, RequestOutcome, SentMessage,
    SessionStatus,
};
use crate::tasks::{Task, TaskRole};
use crate::tool::Toolbox;

pub(crate) fn did(name: &str) -> Did {
    format!("did:wba:example.com:agent:acme:{name}").parse().unwrap()
}

const START: u64 = 1_790_000_000;

/// Ids increase with `n`, as they do with time.
pub(crate) fn message_id(n: u64) -> MessageId {
    MessageId::new(START + n, [7; 10])
}

pub(crate) fn message(n: u64, from: &str, text: &str) -> ReceivedMessage {
    let head = MessageHeader {
        id: message_id(n),
        from: did(from),
        key_id: "sig-1".parse().unwrap(),
        kind: MessageType::Request,
        thread: None,
        re: None,
        time: START + n,
    };
    ReceivedMessage { head, content: Content::text(text) }
}

/// Records which messages were acknowledged, in order.
#[derive(Clone, Default)]
pub(crate) struct Acks(Arc<Mutex<Vec<u64>>>);

impl Acks {
    pub(crate) fn token(&self, n: u64) -> Box<dyn Acknowledge> {
        Box::new(Ack { acks: self.clone(), n })
    }

    pub(crate) fn made(&self) -> Vec<u64> {
        self.0.lock().unwrap().clone()
    }
}

struct Ack {
    acks: Acks,
    n: u64,
}

impl Acknowledge for Ack {
    fn acknowledge(self: Box<Self>) -> BoxFuture<'static, Result<(), NetworkError>> {
        self.acks.0.lock().unwrap().push(self.n);
        Box::pin(std::future::ready(Ok(())))
    }
}

/// A new task with an agent.
pub(crate) fn task(role: TaskRole, n: u64, peer: &str) -> Task {
    Task {
        number: 1,
        role,
        peer: did(peer),
        id: message_id(n),
        title: None,
        state: State::Submitted,
        revision: 0,
        progress: None,
        cancel_requested: false,
        change: 1,
        created: 0,
        updated: 0,
    }
}

/// A toolbox on a network that records its calls and gives scripted answers.
pub(crate) struct ToolboxFixture {
    pub(crate) toolbox: Toolbox,
    pub(crate) acks: Acks,
    network: Arc<Script>,
}

/// A message and its acknowledgement.
type Delivery = (ReceivedMessage, Box<dyn Acknowledge>);

#[derive(Default)]
struct Script {
    sent: Mutex<Vec<OutgoingMessage>>,
    asked: Mutex<Vec<DiscoverParams>>,
    found: Mutex<Vec<frame::DiscoveredAgent>>,
    reply: Mutex<Option<Delivery>>,
    /// The answers to the next calls, before those that succeed.
    refusals: Mutex<VecDeque<NetworkError>>,
    /// What arrives while the next message is being sent.
    meanwhile: Mutex<Option<(Arc<MessageStore>, Delivery)>>,
}

impl ToolboxFixture {
    pub(crate) async fn new() -> Self {
        let network = Arc::new(Script::default());
        let metrics = EndpointMetrics::register(&prometheus::Registry::new()).unwrap();
        let store = Arc::new(MessageStore::new(Database::in_memory().await.unwrap()));
        let toolbox = Toolbox { network: Arc::clone(&network) as Arc<dyn Network>, store, metrics };
        Self { toolbox, acks: Acks::default(), network }
    }

    /// Stores an incoming message. Its acknowledgement is recorded as the number of its time.
    pub(crate) async fn arrive(&self, message: ReceivedMessage) {
        let token = self.acks.token(message.head.time - START);
        self.toolbox.store.receive(message, token).await;
    }

    /// Stores an incoming message of another agent about a task.
    pub(crate) async fn hear(&self, n: u64, from: &str, message: &TaskMessage) {
        let mut received = self::message(n, from, "");
        received.content = message.to_content();
        self.arrive(received).await;
    }

    /// Makes an agent discoverable.
    pub(crate) fn offers(&self, name: &str, capabilities: &[&str]) {
        let capability = |id: &&str| Capability { id: (*id).to_owned(), name: String::new() };
        let card = Card { capabilities: capabilities.iter().map(capability).collect(), ..Card::default() };
        self.network.found.lock().unwrap().push(frame::DiscoveredAgent {
            did: did(name),
            card,
            online: true,
        });
    }

    /// The structured answer of a tool, or the reason of its error.
    pub(crate) async fn call(&self, tool: &str, arguments: Value) -> Result<Value, String> {
        let arguments = arguments.as_object().unwrap().clone();
        let result = self.toolbox.call(tool, arguments).await.unwrap();
        if let Some(answer) = result.structured_content {
            return Ok(answer);
        }
        let result = serde_json::to_value(result).unwrap();
        let error: Value = serde_json::from_str(result["content"][0]["text"].as_str().unwrap()).unwrap();
        Err(error["error"]["reason"].as_str().unwrap().to_owned())
    }

    pub(crate) async fn refusal(&self, tool: &str, arguments: Value) -> String {
        self.call(tool, arguments).await.unwrap_err()
    }

    pub(crate) fn reply_with(&self, message: ReceivedMessage) {
        *self.network.reply.lock().unwrap() = Some((message, self.acks.token(0)));
    }

    pub(crate) fn refuse_with(&self, refusal: NetworkError) {
        self.network.refusals.lock().unwrap().push_back(refusal);
    }

    /// Stores an incoming message of another agent about a task while the next message is sent.
    pub(crate) fn hear_meanwhile(&self, n: u64, from: &str, message: &TaskMessage) {
        let mut received = self::message(n, from, "");
        received.content = message.to_content();
        let arriving = (Arc::clone(&self.toolbox.store), (received, self.acks.token(n)));
        *self.network.meanwhile.lock().unwrap() = Some(arriving);
    }

    pub(crate) fn sent(&self) -> MutexGuard<'_, Vec<OutgoingMessage>> {
        self.network.sent.lock().unwrap()
    }

    pub(crate) fn asked(&self) -> Vec<DiscoverParams> {
        self.network.asked.lock().unwrap().clone()
    }
}

impl Script {
    /// Every answer of this network is ready immediately.
    fn answer<T: Send + 'static>(&self, answer: T) -> BoxFuture<'_, Result<T, NetworkError>> {
        let refusal = self.refusals.lock().unwrap().pop_front();
        Box::pin(std::future::ready(refusal.map_or(Ok(answer), Err)))
    }
}

impl Network for Script {
    fn own_agent(&self) -> OwnAgent {
        OwnAgent { did: did("me"), card: Card::default(), session: SessionStatus::Connected }
    }

    fn ensure_connected(&self) -> BoxFuture<'_, ()> {
        Box::pin(std::future::ready(()))
    }

    fn send(&self, message: OutgoingMessage) -> BoxFuture<'_, Result<SentMessage, NetworkError>> {
        let id = message.id.unwrap_or_else(|| message_id(1));
        self.sent.lock().unwrap().push(message);
        let meanwhile = self.meanwhile.lock().unwrap().take();
        let answer = self.answer(SentMessage { id, status: SendStatus::Stored });
        Box::pin(async move {
            if let Some((store, (message, token))) = meanwhile {
                store.receive(message, token).await;
            }
            answer.await
        })
    }

    fn request(
        &self,
        message: OutgoingMessage,
        _wait: Duration,
    ) -> BoxFuture<'_, Result<RequestOutcome, NetworkError>> {
        self.sent.lock().unwrap().push(message);
        let sent = SentMessage { id: message_id(1), status: SendStatus::Delivered };
        let reply = self.reply.lock().unwrap().take();
        self.answer(RequestOutcome { sent, reply })
    }

    fn discover(&self, query: DiscoverParams) -> BoxFuture<'_, Result<DiscoverResult, NetworkError>> {
        self.asked.lock().unwrap().push(query);
        let agents = self.found.lock().unwrap().clone();
        let cursor = agents.is_empty().then(|| did("bob"));
        let bob = frame::DiscoveredAgent { did: did("bob"), card: Card::default(), online: true };
        self.answer(DiscoverResult { agents: if agents.is_empty() { vec![bob] } else { agents }, cursor })
    }

    fn lookup(&self, did: &Did) -> BoxFuture<'_, Result<Contact, NetworkError>> {
        let card = Card { name: "Bob".into(), ..Card::default() };
        let root_key = "z6Mk".to_owned();
        self.answer(Contact {
            did: did.clone(),
            card,
            root_key,
            trust: msg2agent::Trust::FirstContact,
            since: 200,
            online: false,
            direct_endpoints: Vec::new(),
        })
    }
}
