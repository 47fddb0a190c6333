//! Opens a bare connection to the relay, for what the SDK refuses to send: frames as the test
//! writes them, answers as the relay wrote them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use devtools::load::relay::admission::{Upgrade, open};
use devtools::relay_process::RelayProcess;
use futures::{SinkExt as _, StreamExt as _};
use protocol::api_key::ApiKey;
use protocol::frame::{
    AckParams, ChallengeParams, ChallengeResult, DeliverParams, Incoming, NoticeParams, RegisterParams,
    RegisterResult, SendResult, SendStatus, method, write_notification, write_request,
};
use protocol::quota::QuotaName;
use protocol::{Envelope, Identity, Reason, base64url, challenge};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

/// Longest wait for one frame; loopback, so only a lost one takes it.
const FRAME_TIMEOUT: Duration = Duration::from_secs(20);
/// The id of every request, one after the other: equal answers are then equal bytes.
const REQUEST: u64 = 1;

pub(crate) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

pub(crate) struct RawConnection {
    socket: WebSocketStream<TcpStream>,
    epoch: u64,
    /// Messages and notices that waited when it registered.
    pub(crate) pending: u64,
    /// What arrived while something else was awaited.
    pub(crate) deliveries: Vec<DeliverParams>,
    pub(crate) notices: Vec<NoticeParams>,
}

/// An answer, as its bytes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Answer(String);

impl Answer {
    pub(crate) fn result<R: DeserializeOwned>(&self) -> Result<R, Reason> {
        match Incoming::parse(&self.0).unwrap() {
            Incoming::Result { result, .. } => Ok(serde_json::from_str(result).unwrap()),
            Incoming::Error { error, .. } => Err(error.data.reason),
            other => panic!("not an answer: {other:?}"),
        }
    }

    /// The quota that a refusal names.
    pub(crate) fn quota(&self) -> Option<QuotaName> {
        let Incoming::Error { error, .. } = Incoming::parse(&self.0).unwrap() else { return None };
        error.data.quota.map(|quota| quota.name)
    }

    pub(crate) fn refusal(&self) -> Option<Reason> {
        self.result::<serde_json::Value>().err()
    }
}

impl RawConnection {
    pub(crate) async fn open(relay: &RelayProcess, key: &ApiKey) -> Self {
        let url = relay.url();
        let address = url.trim_start_matches("ws://").trim_end_matches("/ws");
        let stream = TcpStream::connect(address).await.unwrap();
        let Upgrade::Open(socket) = open(stream, &url, key).await.unwrap() else {
            panic!("the relay refuses the API key")
        };
        Self { socket: *socket, epoch: 0, pending: 0, deliveries: Vec::new(), notices: Vec::new() }
    }

    /// Registers with this record.
    pub(crate) async fn register(&mut self, identity: &Identity, record: &[u8]) -> Result<(), Reason> {
        let params = self.registration(identity, record).await?;
        let registered: RegisterResult = self.ask(method::REGISTER, &params).await.result()?;
        (self.epoch, self.pending) = (registered.epoch, registered.pending);
        Ok(())
    }

    /// A registration for a fresh challenge, not sent yet.
    pub(crate) async fn registration(
        &mut self,
        identity: &Identity,
        record: &[u8],
    ) -> Result<RegisterParams, Reason> {
        let did = identity.did().clone();
        let asked = self.ask(method::CHALLENGE, &ChallengeParams { did: did.clone() }).await;
        let challenge: ChallengeResult = asked.result()?;
        let signing = identity.current_signing().unwrap();
        let signature = challenge::sign(&signing.key, &challenge.domain, &challenge.nonce, record);
        Ok(RegisterParams { did, record: base64url::encode(record), kid: signing.kid.clone(), signature })
    }

    pub(crate) async fn send(&mut self, envelope: &Envelope) -> Result<SendStatus, Reason> {
        self.ask(method::SEND, envelope).await.result::<SendResult>().map(|sent| sent.status)
    }

    /// Asks, and waits for the answer; deliveries and notices that come first are kept.
    pub(crate) async fn ask(&mut self, method: &str, params: &impl Serialize) -> Answer {
        let mut frame = Vec::new();
        write_request(&mut frame, REQUEST, method, params);
        self.write(frame).await;
        loop {
            if let Some(answer) = self.read().await {
                return answer;
            }
        }
    }

    /// Sends all of these before it waits for an answer; the answers, in order.
    pub(crate) async fn send_together(&mut self, envelopes: &[Envelope]) -> Vec<Answer> {
        for envelope in envelopes {
            let mut frame = Vec::new();
            write_request(&mut frame, REQUEST, method::SEND, envelope);
            self.socket.feed(Message::text(String::from_utf8(frame).unwrap())).await.unwrap();
        }
        self.socket.flush().await.unwrap();
        let mut answers = Vec::new();
        while answers.len() < envelopes.len() {
            answers.extend(self.read().await);
        }
        answers
    }

    /// Waits for one more frame of the relay's own accord.
    pub(crate) async fn more(&mut self) {
        assert_eq!(self.read().await, None, "an answer to nothing");
    }

    /// Acknowledges everything delivered so far.
    pub(crate) async fn acknowledge(&mut self) {
        let seqs = self.deliveries.iter().map(|d| d.seq).chain(self.notices.iter().map(|n| n.seq));
        let Some(seq) = seqs.max().filter(|seq| *seq > 0) else { return };
        let mut frame = Vec::new();
        write_notification(&mut frame, method::ACK, &AckParams { epoch: self.epoch, seq });
        self.write(frame).await;
    }

    /// Leaves; returns when the relay knows, with what still arrived.
    pub(crate) async fn leave(mut self) -> (Vec<DeliverParams>, Vec<NoticeParams>) {
        self.socket.close(None).await.unwrap();
        while let Ok(Some(Ok(message))) = tokio::time::timeout(FRAME_TIMEOUT, self.socket.next()).await {
            self.sort(&message);
        }
        (self.deliveries, self.notices)
    }

    /// One frame: an answer, or nothing that anybody waits for.
    async fn read(&mut self) -> Option<Answer> {
        let next = tokio::time::timeout(FRAME_TIMEOUT, self.socket.next()).await.expect("a frame in time");
        let message = next.expect("the relay closed the connection").unwrap();
        self.sort(&message)
    }

    fn sort(&mut self, message: &Message) -> Option<Answer> {
        let Message::Text(text) = message else { return None };
        match Incoming::parse(text).unwrap() {
            Incoming::Result { .. } | Incoming::Error { .. } => return Some(Answer(text.to_string())),
            Incoming::Notification { method, params } if method == method::DELIVER => {
                self.deliveries.push(serde_json::from_str(params).unwrap());
            }
            Incoming::Notification { method, params } if method == method::NOTICE => {
                self.notices.push(serde_json::from_str(params).unwrap());
            }
            other => panic!("the relay says {other:?}"),
        }
        None
    }

    async fn write(&mut self, frame: Vec<u8>) {
        self.socket.send(Message::text(String::from_utf8(frame).unwrap())).await.unwrap();
    }
}
