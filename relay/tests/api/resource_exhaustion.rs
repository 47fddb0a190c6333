//! Tests of one key, one tenant and one address that each try to take everything: each is refused
//! by its own quota, and meanwhile others send, store and connect.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use futures::{FutureExt as _, SinkExt as _, StreamExt as _};
use protocol::admin::{Problem, TenantSpec};
use protocol::api_key::ApiKey;
use protocol::frame::{DiscoverParams, RpcError, SendStatus, method, write_request};
use protocol::quota::QuotaName;
use protocol::{Did, Reason};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio_tungstenite::tungstenite::Message;

use crate::agent::{Agent, did, identity};
use crate::harness::{DOMAIN, TestRelay, agent_spec, new_key, start_with};
use crate::shares::fill;

/// Requests of each kind that the attacker sends without waiting for answers.
const FLOOD: usize = 300;
/// Messages that others exchange meanwhile.
const MESSAGES: usize = 50;

/// The answers to a flood, counted by the quota of their refusal. `None` counts what was accepted.
type Answers = BTreeMap<Option<&'static str>, usize>;

fn quota_of(answer: Result<String, RpcError>) -> Option<&'static str> {
    answer.err().map(|error| error.data.quota.unwrap().name.as_str())
}

async fn answers(agent: &mut Agent, requests: Vec<u64>) -> Answers {
    let mut found = Answers::new();
    for request in requests {
        *found.entry(quota_of(agent.answer(request).await)).or_default() += 1;
    }
    found
}

async fn flood_with_messages(agent: &mut Agent, to: &Did) -> Answers {
    let mut requests = Vec::new();
    for _ in 0..FLOOD {
        let envelope = agent.envelope(to);
        requests.push(agent.submit(&envelope).await);
    }
    answers(agent, requests).await
}

async fn flood_with_queries(agent: &mut Agent) -> Answers {
    let mut requests = Vec::new();
    for _ in 0..FLOOD {
        requests.push(agent.request(method::DISCOVER, &DiscoverParams::default()).await);
    }
    answers(agent, requests).await
}

/// Two agents that have done nothing wrong, and one that is away.
struct Others {
    alice: Agent,
    bob: Agent,
    away: Did,
}

impl Others {
    async fn join(relay: &TestRelay) -> Self {
        let (alice, bob) = (Agent::join(relay, "alice").await.0, Agent::join(relay, "bob").await.0);
        relay.agent_with_key("away").await;
        Self { alice, bob, away: did("away") }
    }

    /// Everything that they ask for is done: messages are delivered, and stored.
    async fn work(&mut self) {
        for _ in 0..MESSAGES {
            let envelope = self.alice.envelope(&self.bob.did);
            let sent = self.alice.submit(&envelope).await;
            assert_eq!(self.bob.take(1).await, [envelope.id]);
            assert!(self.alice.status(sent).await.is_ok());
        }
        let envelope = self.alice.envelope(&self.away);
        assert_eq!(self.alice.send(&envelope).await, Ok(SendStatus::Stored));
        let found = self.alice.request(method::DISCOVER, &DiscoverParams::default()).await;
        self.alice.answer(found).await.unwrap();
    }
}

#[tokio::test]
async fn one_key_that_takes_everything_is_refused_by_its_quotas_and_its_neighbours_go_on() {
    let relay = start_with(|config, _| {
        (config.limits.sends_per_second, config.limits.sends_burst) = (1, 150);
    })
    .await;
    let mut others = Others::join(&relay).await;
    let (mut mallory, key) = Agent::join(&relay, "mallory").await;
    let attack = async {
        let away = did("away");
        let sent = flood_with_messages(&mut mallory, &away).await;
        let asked = flood_with_queries(&mut mallory).await;
        (sent, asked, fill(&relay, std::slice::from_ref(&key)).await)
    };
    let ((sent, asked, (connections, problem)), ()) = tokio::join!(attack, others.work());

    // A flood takes less than 20 s, in which the allowance grows by 20 messages or 400 queries.
    assert!(sent[&None] <= 170 && sent[&Some("sends_burst")] >= FLOOD - 170, "{sent:?}");
    assert!(asked.keys().all(|quota| matches!(quota, None | Some("queries_burst"))), "{asked:?}");
    assert!(asked.contains_key(&Some("queries_burst")), "{asked:?}");
    assert_eq!(connections.len(), 7, "one of eight has the session");
    assert_eq!(problem.quota.unwrap().name, QuotaName::KeyConnections);
    // Also after the attack, with the connections still open.
    others.work().await;
    Agent::join(&relay, "newcomer").await;
}

fn did_of_greedy(name: &str) -> Did {
    Did::new(&DOMAIN.parse().unwrap(), &"greedy".parse().unwrap(), &name.parse().unwrap())
}

#[tokio::test]
async fn one_tenant_that_takes_everything_is_refused_by_its_quotas_and_other_tenants_go_on() {
    let relay = start_with(|config, _| {
        let limits = &mut config.limits;
        (limits.connections, limits.address_share_percent, limits.tenant_share_percent) = (40, 100, 50);
        (limits.tenant_mailbox_messages, limits.relay_mailbox_messages) = (100, 200);
        (limits.tenant_sends_per_second, limits.tenant_sends_burst) = (1, 400);
    })
    .await;
    let mut others = Others::join(&relay).await;
    relay.put("tenants/greedy", &TenantSpec { agents_max: Some(10), ..TenantSpec::default() }).await.unwrap();
    relay.put("tenants/greedy/agents/away", &agent_spec(&[])).await.unwrap();
    let keys: Vec<ApiKey> = (0..5).map(|_| new_key()).collect();
    let mut agents = Vec::new();
    for (index, key) in keys.iter().enumerate() {
        let name = format!("agent-{index}");
        relay.put(&format!("tenants/greedy/agents/{name}"), &agent_spec(&[(key, None)])).await.unwrap();
        agents.push(Agent::open(&relay, key, identity(&did_of_greedy(&name))).await.unwrap());
    }
    let attack = async {
        let (mut sent, away) = (Answers::new(), did_of_greedy("away"));
        for agent in &mut agents {
            for (quota, count) in flood_with_messages(agent, &away).await {
                *sent.entry(quota).or_default() += count;
            }
        }
        (sent, fill(&relay, &keys).await)
    };
    let ((sent, (connections, problem)), ()) = tokio::join!(attack, others.work());

    assert_eq!(sent[&None], 100, "{sent:?}");
    assert!(sent[&Some("tenant_mailbox_messages")] >= 300, "{sent:?}");
    assert!(sent[&Some("tenant_sends_burst")] >= FLOOD, "{sent:?}");
    assert_eq!((connections.len(), problem.quota.unwrap().name), (15, QuotaName::TenantConnections));
    others.work().await;
    Agent::join(&relay, "newcomer").await;
}

/// The others come from 127.0.0.1.
const ATTACKER: [u8; 4] = [127, 0, 0, 2];

/// A connection from this address.
async fn connect_from(address: [u8; 4], relay: &TestRelay) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::from((address, 0))).unwrap();
    socket.connect(relay.address).await.unwrap()
}

/// Asks for a page that does not exist and keeps the connection, or says why it was refused.
async fn hold(mut stream: TcpStream) -> Result<TcpStream, Problem> {
    stream.write_all(b"GET /nothing HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let mut head = [0; 12];
    stream.read_exact(&mut head).await.unwrap();
    if head == *b"HTTP/1.1 404" {
        return Ok(stream);
    }
    let mut rest = String::new();
    stream.read_to_string(&mut rest).await.unwrap();
    Err(serde_json::from_str(rest.split_once("\r\n\r\n").unwrap().1).unwrap())
}

#[tokio::test]
async fn one_address_that_takes_everything_is_refused_by_its_quota_and_others_connect() {
    let relay = start_with(|config, _| config.limits.connections = 40).await;
    let mut others = Others::join(&relay).await;
    let attack = async {
        let mut silent = Vec::new();
        for _ in 0..100 {
            silent.push(connect_from(ATTACKER, &relay).await);
        }
        let mut held = Vec::new();
        loop {
            match hold(connect_from(ATTACKER, &relay).await).await {
                Ok(stream) => held.push(stream),
                Err(problem) => break (silent, held, problem),
            }
        }
    };
    let ((_silent, held, problem), ()) = tokio::join!(attack, others.work());

    let quota = problem.quota.unwrap();
    assert_eq!((problem.reason, quota.name), (Reason::Overloaded, QuotaName::AddressConnections));
    assert_eq!((quota.limit, quota.current), (30, 30));
    // A quarter of all connections may be silent.
    assert!((20..=30).contains(&held.len()), "{}", held.len());
    let closed = "msg2agent_relay_connections_turned_away_total{cause=\"pending_share\"}";
    assert!(relay.metric(closed).await.unwrap() >= 90.0);
    others.work().await;
    Agent::join(&relay, "newcomer").await;
}

/// Requests that arrive in one read.
const FLOOD_OF_ONE_READ: usize = 600;

/// Relay and agents share one thread, so that an answer that was written is there.
#[tokio::test]
async fn a_flood_of_requests_in_one_read_is_answered_in_turns_with_others() {
    let relay = start_with(|_, _| ()).await;
    let mut others = Others::join(&relay).await;
    let (mut mallory, _) = Agent::join(&relay, "mallory").await;
    let mut request = Vec::new();
    write_request(&mut request, 7, method::DISCOVER, &DiscoverParams::default());
    let request = Message::text(String::from_utf8(request).unwrap());
    for _ in 0..FLOOD_OF_ONE_READ {
        mallory.socket.feed(request.clone()).await.unwrap();
    }
    mallory.socket.flush().await.unwrap();
    let found = others.alice.request(method::DISCOVER, &DiscoverParams::default()).await;
    others.alice.answer(found).await.unwrap();

    let mut answered = 0;
    while mallory.socket.next().now_or_never().is_some() {
        answered += 1;
    }
    assert!(answered < FLOOD_OF_ONE_READ / 2, "{answered} were answered before");
    while answered < FLOOD_OF_ONE_READ {
        mallory.socket.next().await.unwrap().unwrap();
        answered += 1;
    }
}
