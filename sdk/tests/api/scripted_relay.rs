//! A scripted relay: it accepts, registers, answers, delivers and disconnects as the test calls it.

use std::time::Duration;

use futures::{SinkExt as _, StreamExt as _};
use http::header::{AUTHORIZATION, HeaderValue, SEC_WEBSOCKET_PROTOCOL};
use protocol::envelope::{Envelope, MessageId};
use protocol::frame::{
    ChallengeParams, ChallengeResult, Incoming, LookupParams, LookupResult, RefuseParams, RegisterParams,
    RegisterResult, RpcError, SendResult, SendStatus, SessionLimits, feature, method, write_deliver,
    write_error, write_notification, write_result,
};
use protocol::record::VerifiedRecord;
use protocol::refusal::RefusalReason;
use protocol::{Reason, UnixSeconds, base64url, challenge};
use serde::Serialize;
use serde_json::Value;
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::{WebSocketStream, accept_hdr_async};

/// How long a test waits for one event: long enough for a loaded machine, short enough to notice a
/// hang.
pub(crate) const TEST_TIMEOUT: Duration = Duration::from_secs(20);

pub(crate) async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(TEST_TIMEOUT, future)
        .await
        .unwrap_or_else(|_| panic!("{what} did not happen in time"))
}

pub(crate) struct ScriptedRelay {
    listener: TcpListener,
    /// The time that it tells at a registration.
    pub(crate) time: Option<UnixSeconds>,
}

/// One connection of a client.
pub(crate) struct RelayConnection {
    socket: WebSocketStream<TcpStream>,
    pub(crate) bearer: String,
    relay_time: Option<UnixSeconds>,
}

/// A request or notification of the client.
#[derive(Debug)]
pub(crate) struct ReceivedFrame {
    pub(crate) id: Option<String>,
    pub(crate) method: String,
    pub(crate) params: Value,
}

impl ScriptedRelay {
    pub(crate) async fn new() -> Self {
        Self { listener: TcpListener::bind("127.0.0.1:0").await.unwrap(), time: None }
    }

    pub(crate) fn url(&self) -> String {
        format!("ws://{}/ws", self.listener.local_addr().unwrap())
    }

    /// Accepts the next connection and its WebSocket upgrade.
    pub(crate) async fn accept(&self) -> RelayConnection {
        let (tcp, _) = within("a connection", self.listener.accept()).await.unwrap();
        let mut bearer = String::new();
        let callback = |request: &Request, mut response: Response| -> Result<Response, ErrorResponse> {
            bearer = request.headers()[AUTHORIZATION].to_str().unwrap().to_owned();
            let offered = request.headers()[SEC_WEBSOCKET_PROTOCOL].clone();
            response.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, offered);
            Ok(response)
        };
        let socket = accept_hdr_async(tcp, callback).await.unwrap();
        RelayConnection { socket, bearer, relay_time: self.time }
    }

    /// Refuses the next connection because of an unknown API key.
    pub(crate) async fn refuse_key(&self) {
        self.refuse_upgrade(Reason::KeyUnknown).await;
    }

    /// Refuses the WebSocket upgrade of the next connection.
    pub(crate) async fn refuse_upgrade(&self, reason: Reason) {
        self.refuse_upgrade_for(reason, None).await;
    }

    /// Refuses the WebSocket upgrade of the next connection, for this many seconds.
    pub(crate) async fn refuse_upgrade_for(&self, reason: Reason, seconds: Option<u32>) {
        let (tcp, _) = within("a connection", self.listener.accept()).await.unwrap();
        let callback = |_: &Request, _: Response| -> Result<Response, ErrorResponse> {
            let problem = protocol::admin::Problem::new(reason, None);
            let mut refusal = ErrorResponse::new(Some(serde_json::to_string(&problem).unwrap()));
            *refusal.status_mut() = http::StatusCode::from_u16(reason.http_status()).unwrap();
            refusal
                .headers_mut()
                .insert("content-type", HeaderValue::from_static("application/problem+json"));
            if let Some(seconds) = seconds {
                refusal.headers_mut().insert("retry-after", seconds.into());
            }
            Err(refusal)
        };
        assert!(accept_hdr_async(tcp, callback).await.is_err());
    }

    /// Accepts and registers the next connection. Verifies the record as a relay does.
    pub(crate) async fn registered(&self, epoch: u64) -> (RelayConnection, VerifiedRecord) {
        let mut line = self.accept().await;
        let record = line.register(epoch, "localhost").await;
        (line, record)
    }
}

impl RelayConnection {
    pub(crate) async fn register(&mut self, epoch: u64, domain: &str) -> VerifiedRecord {
        let asked = self.asked(method::CHALLENGE).await;
        let ChallengeParams { did } = serde_json::from_value(asked.params.clone()).unwrap();
        let challenge = ChallengeResult { nonce: [9; 32], domain: domain.parse().unwrap(), expires: 30 };
        self.answer(&asked, &challenge).await;
        let asked = self.asked(method::REGISTER).await;
        let params: RegisterParams = serde_json::from_value(asked.params.clone()).unwrap();
        let bytes = base64url::decode(&params.record).unwrap();
        let record = VerifiedRecord::parse(&bytes, &did).unwrap();
        let key = &record.keys.signing[&params.kid];
        challenge::verify(key, &challenge.domain, &challenge.nonce, &bytes, &params.signature).unwrap();
        let result = RegisterResult {
            epoch,
            tenant: did.tenant(),
            window: 256,
            pending: 0,
            limits: SessionLimits::default(),
            features: vec![feature::REFUSE.to_owned()],
            time: self.relay_time,
        };
        self.answer(&asked, &result).await;
        record
    }

    /// Receives the next frame of the client.
    pub(crate) async fn next(&mut self) -> ReceivedFrame {
        loop {
            let frame = within("a frame", self.socket.next()).await.expect("the client left").unwrap();
            let Message::Text(text) = frame else { continue };
            return match Incoming::parse(&text).unwrap() {
                Incoming::Request { id, method, params } => ReceivedFrame {
                    id: Some(id.as_json().to_owned()),
                    method: method.into_owned(),
                    params: serde_json::from_str(params).unwrap(),
                },
                Incoming::Notification { method, params } => ReceivedFrame {
                    id: None,
                    method: method.into_owned(),
                    params: serde_json::from_str(params).unwrap(),
                },
                other => panic!("a client does not send {other:?}"),
            };
        }
    }

    /// Receives the next frame, which must have this method.
    pub(crate) async fn asked(&mut self, method: &str) -> ReceivedFrame {
        let asked = self.next().await;
        assert_eq!(asked.method, method, "{asked:?}");
        asked
    }

    /// Receives the next `relay.ack`, as (epoch, seq).
    pub(crate) async fn acked(&mut self) -> (u64, u64) {
        let params = self.asked(method::ACK).await.params;
        (params["epoch"].as_u64().unwrap(), params["seq"].as_u64().unwrap())
    }

    /// Receives the next `relay.refuse`, as (epoch, seq, reason).
    pub(crate) async fn refused(&mut self) -> (u64, u64, RefusalReason) {
        let params: RefuseParams = serde_json::from_value(self.asked(method::REFUSE).await.params).unwrap();
        (params.epoch, params.seq, params.reason)
    }

    pub(crate) async fn answer(&mut self, asked: &ReceivedFrame, result: &impl Serialize) {
        let mut frame = Vec::new();
        write_result(&mut frame, asked.id.as_deref().unwrap(), result);
        self.write(frame).await;
    }

    pub(crate) async fn refuse(
        &mut self,
        asked: &ReceivedFrame,
        reason: Reason,
        retry_after_ms: Option<u64>,
    ) {
        self.refuse_with(asked, &RpcError::new(reason, retry_after_ms)).await;
    }

    pub(crate) async fn refuse_with(&mut self, asked: &ReceivedFrame, error: &RpcError) {
        let mut frame = Vec::new();
        write_error(&mut frame, asked.id.as_deref(), error);
        self.write(frame).await;
    }

    /// Answers the next lookup with this record.
    pub(crate) async fn answer_lookup(&mut self, record: &VerifiedRecord) {
        let asked = self.asked(method::LOOKUP).await;
        let LookupParams { did } = serde_json::from_value(asked.params.clone()).unwrap();
        assert_eq!(did, record.did);
        self.answer(&asked, &lookup_result(record)).await;
    }

    /// Answers the next send with `stored`, and returns its envelope.
    pub(crate) async fn answer_send(&mut self) -> Envelope {
        let asked = self.asked(method::SEND).await;
        self.answer(&asked, &SendResult { status: SendStatus::Stored }).await;
        serde_json::from_value(asked.params).unwrap()
    }

    pub(crate) async fn deliver(&mut self, epoch: u64, seq: u64, envelope: &Envelope) {
        let mut frame = Vec::new();
        write_deliver(&mut frame, epoch, seq, &serde_json::to_vec(envelope).unwrap());
        self.write(frame).await;
    }

    pub(crate) async fn notify(&mut self, method: &str, params: &impl Serialize) {
        let mut frame = Vec::new();
        write_notification(&mut frame, method, params);
        self.write(frame).await;
    }

    pub(crate) async fn close(mut self, code: u16) {
        let frame = CloseFrame { code: code.into(), reason: "".into() };
        let _ = self.socket.close(Some(frame)).await;
    }

    async fn write(&mut self, frame: Vec<u8>) {
        self.socket.send(Message::text(String::from_utf8(frame).unwrap())).await.unwrap();
    }
}

/// The answer to a lookup.
pub(crate) fn lookup_result(record: &VerifiedRecord) -> LookupResult {
    LookupResult { record: base64url::encode(&record.bytes), online: true, former_root_keys: Vec::new() }
}

/// The message id in a send.
pub(crate) fn id_of(asked: &ReceivedFrame) -> MessageId {
    asked.params["id"].as_str().unwrap().parse().unwrap()
}
