//! An agent for tests: one WebSocket and the frames of the protocol, without the automatic
//! behaviour of an SDK.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use futures::{SinkExt as _, StreamExt as _};
use protocol::api_key::ApiKey;
use protocol::did::TenantId;
use protocol::envelope::{Class, MessageId};
use protocol::frame::{
    ChallengeResult, DeliverParams, Incoming, NoticeParams, RegisterParams, RegisterResult, RpcError,
    SendResult, SendStatus, SessionLimits, method, write_notification, write_request,
};
use protocol::record::{Card, Discovery};
use protocol::refusal::RefusalReason;
use protocol::{Did, Envelope, Identity, Reason, base64url, challenge, record};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;

use crate::harness::{DOMAIN, TEST_TIMEOUT, TestRelay};

pub(crate) struct Agent {
    pub(crate) did: Did,
    pub(crate) identity: Arc<Identity>,
    pub(crate) socket: WebSocketStream<TcpStream>,
    pub(crate) registered: RegisterResult,
    pub(crate) deliveries: VecDeque<DeliverParams>,
    pub(crate) notices: VecDeque<NoticeParams>,
    answers: VecDeque<(String, Result<String, RpcError>)>,
    next_id: u64,
}

pub(crate) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

pub(crate) fn did(name: &str) -> Did {
    Did::new(&DOMAIN.parse().unwrap(), &TenantId::default(), &name.parse().unwrap())
}

pub(crate) fn identity(did: &Did) -> Identity {
    Identity::generate(did.clone(), now(), &mut rand::rng())
}

/// The address of a relay, in this process or in one of its own.
pub(crate) trait RelayAddress {
    fn address(&self) -> SocketAddr;
}

impl RelayAddress for TestRelay {
    fn address(&self) -> SocketAddr {
        self.address
    }
}

impl RelayAddress for SocketAddr {
    fn address(&self) -> SocketAddr {
        *self
    }
}

pub(crate) async fn connect(relay: &impl RelayAddress, key: &ApiKey) -> WebSocketStream<TcpStream> {
    let mut request = format!("ws://{}/ws", relay.address()).into_client_request().unwrap();
    let headers = request.headers_mut();
    headers.insert("authorization", format!("Bearer {}", key.reveal()).parse().unwrap());
    headers.insert("sec-websocket-protocol", "msg2agent.v1".parse().unwrap());
    let stream = TcpStream::connect(relay.address()).await.unwrap();
    stream.set_nodelay(true).unwrap();
    tokio_tungstenite::client_async(request, stream).await.unwrap().0
}

impl Agent {
    /// Registers a new identity with its own key.
    pub(crate) async fn join(relay: &TestRelay, name: &str) -> (Self, ApiKey) {
        let key = relay.agent_with_key(name).await;
        (Self::open(relay, &key, identity(&did(name))).await.unwrap(), key)
    }

    pub(crate) async fn open(
        relay: &impl RelayAddress,
        key: &ApiKey,
        identity: impl Into<Arc<Identity>>,
    ) -> Result<Self, Reason> {
        let mut agent = Self::unregistered(relay, key, identity).await;
        agent.register().await?;
        Ok(agent)
    }

    pub(crate) async fn unregistered(
        relay: &impl RelayAddress,
        key: &ApiKey,
        identity: impl Into<Arc<Identity>>,
    ) -> Self {
        let identity = identity.into();
        Self {
            did: identity.did().clone(),
            identity,
            socket: connect(relay, key).await,
            registered: RegisterResult {
                epoch: 0,
                tenant: TenantId::default(),
                window: 0,
                pending: 0,
                limits: SessionLimits::default(),
                features: Vec::new(),
                time: None,
            },
            deliveries: VecDeque::new(),
            notices: VecDeque::new(),
            answers: VecDeque::new(),
            next_id: 1,
        }
    }

    pub(crate) async fn register(&mut self) -> Result<(), Reason> {
        let params = self.registration().await?;
        self.registered = self.call(method::REGISTER, &params).await?;
        Ok(())
    }

    /// A registration for a new challenge, which is not sent yet.
    pub(crate) async fn registration(&mut self) -> Result<RegisterParams, Reason> {
        self.registration_at(now()).await
    }

    /// The same with a record that was made at another time.
    pub(crate) async fn registration_at(&mut self, created: u64) -> Result<RegisterParams, Reason> {
        self.registration_of(card(self.did.name()), created).await
    }

    /// The same with another card.
    pub(crate) async fn registration_of(
        &mut self,
        card: Card,
        created: u64,
    ) -> Result<RegisterParams, Reason> {
        let did = self.did.clone();
        let challenge: ChallengeResult =
            self.call(method::CHALLENGE, &protocol::frame::ChallengeParams { did: did.clone() }).await?;
        let record = record::build(&self.identity, card, None, created).unwrap();
        let signing = self.identity.current_signing().unwrap();
        let signature = challenge::sign(&signing.key, &challenge.domain, &challenge.nonce, &record);
        Ok(RegisterParams { did, record: base64url::encode(&record), kid: signing.kid.clone(), signature })
    }

    pub(crate) async fn call<T: DeserializeOwned>(
        &mut self,
        method: &str,
        params: &impl Serialize,
    ) -> Result<T, Reason> {
        let id = self.request(method, params).await;
        match self.answer(id).await {
            Ok(result) => Ok(serde_json::from_str(&result).unwrap()),
            Err(error) => Err(error.data.reason),
        }
    }

    /// Sends a request and does not wait for the answer.
    pub(crate) async fn request(&mut self, method: &str, params: &impl Serialize) -> u64 {
        let id = self.next_id;
        self.next_id += 1;
        let mut out = Vec::new();
        write_request(&mut out, id, method, params);
        self.text(String::from_utf8(out).unwrap()).await;
        id
    }

    pub(crate) async fn text(&mut self, text: String) {
        self.socket.send(Message::text(text)).await.unwrap();
    }

    pub(crate) async fn submit(&mut self, envelope: &Envelope) -> u64 {
        self.request(method::SEND, envelope).await
    }

    pub(crate) async fn send(&mut self, envelope: &Envelope) -> Result<SendStatus, Reason> {
        self.call::<SendResult>(method::SEND, envelope).await.map(|result| result.status)
    }

    pub(crate) async fn status(&mut self, id: u64) -> Result<SendStatus, Reason> {
        let result = self.answer(id).await.map_err(|error| error.data.reason)?;
        Ok(serde_json::from_str::<SendResult>(&result).unwrap().status)
    }

    pub(crate) async fn answer(&mut self, id: u64) -> Result<String, RpcError> {
        loop {
            let wanted = self.answers.iter().position(|(found, _)| *found == id.to_string());
            if let Some(index) = wanted {
                return self.answers.remove(index).unwrap().1;
            }
            self.read().await.unwrap();
        }
    }

    /// The error of a frame whose id the relay could not read.
    pub(crate) async fn unreadable_error(&mut self) -> Reason {
        loop {
            let wanted = self.answers.iter().position(|(found, _)| found == "null");
            if let Some(index) = wanted {
                return self.answers.remove(index).unwrap().1.unwrap_err().data.reason;
            }
            self.read().await.unwrap();
        }
    }

    pub(crate) async fn delivery(&mut self) -> DeliverParams {
        loop {
            if let Some(delivery) = self.deliveries.pop_front() {
                return delivery;
            }
            self.read().await.unwrap();
        }
    }

    pub(crate) async fn notice(&mut self) -> NoticeParams {
        loop {
            if let Some(notice) = self.notices.pop_front() {
                return notice;
            }
            self.read().await.unwrap();
        }
    }

    pub(crate) async fn ack(&mut self, seq: u64) {
        let params = protocol::frame::AckParams { epoch: self.registered.epoch, seq };
        let mut out = Vec::new();
        write_notification(&mut out, method::ACK, &params);
        self.text(String::from_utf8(out).unwrap()).await;
    }

    /// Says that this delivery will never be processed.
    pub(crate) async fn refuse(&mut self, seq: u64, reason: RefusalReason) {
        let params = protocol::frame::RefuseParams { epoch: self.registered.epoch, seq, reason };
        let mut out = Vec::new();
        write_notification(&mut out, method::REFUSE, &params);
        self.text(String::from_utf8(out).unwrap()).await;
    }

    /// Receives and acknowledges this many deliveries. Returns their message ids in order.
    pub(crate) async fn take(&mut self, count: usize) -> Vec<MessageId> {
        let mut ids = Vec::new();
        for _ in 0..count {
            let delivery = self.delivery().await;
            assert_eq!(delivery.epoch, self.registered.epoch);
            self.ack(delivery.seq).await;
            ids.push(delivery.envelope.id);
        }
        ids
    }

    /// Reads one frame. The error is the close code, or 0 if the connection ended without one.
    async fn read(&mut self) -> Result<(), u16> {
        let message = tokio::time::timeout(TEST_TIMEOUT, self.socket.next()).await.unwrap();
        match message {
            Some(Ok(Message::Text(text))) => self.on_frame(text.as_str()),
            Some(Ok(Message::Close(close))) => return Err(close.map_or(0, |close| close.code.into())),
            Some(Ok(_)) => {}
            Some(Err(_)) | None => return Err(0),
        }
        Ok(())
    }

    fn on_frame(&mut self, text: &str) {
        match Incoming::parse(text).unwrap() {
            Incoming::Result { id, result } => {
                self.answers.push_back((id.as_json().to_owned(), Ok(result.to_owned())));
            }
            Incoming::Error { id, error } => {
                let id = id.map_or_else(|| "null".to_owned(), |id| id.as_json().to_owned());
                self.answers.push_back((id, Err(error)));
            }
            Incoming::Notification { method, params } if method == method::DELIVER => {
                self.deliveries.push_back(serde_json::from_str(params).unwrap());
            }
            Incoming::Notification { method, params } if method == method::NOTICE => {
                self.notices.push_back(serde_json::from_str(params).unwrap());
            }
            Incoming::Notification { .. } => {}
            Incoming::Request { .. } => unreachable!("the relay sends no requests: {text}"),
        }
    }

    /// Reads to the end of the connection and returns the close code.
    pub(crate) async fn closed(&mut self) -> u16 {
        loop {
            if let Err(code) = self.read().await {
                return code;
            }
        }
    }

    /// An envelope as the relay sees it. No test decrypts it.
    pub(crate) fn envelope(&self, to: &Did) -> Envelope {
        let random: [u8; 10] = rand::random();
        Envelope {
            to: to.clone(),
            from: self.did.clone(),
            id: MessageId::new(now(), random),
            class: Class::Reliable,
            ttl: Some(3600),
            protected: "cHJvdGVjdGVk".into(),
            body: "Ym9keQ".into(),
            signature: "c2lnbmF0dXJl".into(),
        }
    }

    pub(crate) fn ephemeral(&self, to: &Did) -> Envelope {
        Envelope { class: Class::Ephemeral, ttl: None, ..self.envelope(to) }
    }
}

pub(crate) fn card(name: &str) -> Card {
    Card {
        name: name.into(),
        description: String::new(),
        capabilities: Vec::new(),
        discovery: Discovery::Tenant,
    }
}
