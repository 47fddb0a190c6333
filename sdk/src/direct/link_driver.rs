//! Drives one link: handles its frames and orders, and answers messages when the application has
//! decided.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures::future::BoxFuture;
use futures::stream::{FuturesUnordered, SplitStream};
use futures::{FutureExt as _, StreamExt as _};
use protocol::direct::{DirectRefusal, SEEN_IDS_MAX, SeenParams, SeenResult, method};
use protocol::envelope::MessageId;
use protocol::frame::{
    Incoming, RpcError, SendResult, SendStatus, method as relay_method, write_error, write_request,
    write_result,
};
use protocol::record::VerifiedRecord;
use protocol::{Reason, strict_json};
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_tungstenite::tungstenite::Message;

use super::greeting::{DIRECT_WINDOW_BYTES, DIRECT_WINDOW_MESSAGES, LinkSocket, close_frame};
use super::peer_event::{LinkOrder, PeerEvent};
use super::shared::Shared;
use crate::delivery::acknowledgements::Settlement;
use crate::delivery::direct_admission::{DirectOutcome, admit_direct};
use crate::state_machine::{DeliveryState, LinkId, MessageKey};

/// How often a link looks whether it is silent, or its agent has new keys.
const LINK_CHECK_INTERVAL: Duration = Duration::from_secs(1);
/// How long a link may be silent before it is pinged.
const LINK_IDLE_PING_INTERVAL: Duration = Duration::from_secs(10);
/// How long a link may be silent before it is closed.
const LINK_IDLE_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a link lives. The next one asks the relay again whether the agents may talk.
const LINK_TTL: Duration = Duration::from_secs(3600);
/// How long the last answers and the close frame may take.
const LINK_CLOSE_TIMEOUT: Duration = Duration::from_secs(1);
/// How often a link that closes looks whether the disk is done.
const UNTOLD_CHECK_INTERVAL: Duration = Duration::from_millis(5);
/// Answers that wait for the socket: two windows. A peer that reads none of them is closed.
const LINK_ANSWERS_MAX: usize = 2 * DIRECT_WINDOW_MESSAGES;
/// Frames that wait for the socket before orders wait: answers are bounded by the window.
const LINK_QUEUE_MAX: usize = 16;

/// The wait of one message for the application: the number of the wait, and how it ended.
type Wait = BoxFuture<'static, (u64, Option<Settlement>)>;

pub(super) struct LinkDriver {
    shared: Arc<Shared>,
    id: LinkId,
    peer: Arc<VerifiedRecord>,
    own_record: Arc<[u8]>,
    heard: Arc<AtomicU64>,
    events: mpsc::Sender<PeerEvent>,
    frames: mpsc::Sender<Message>,
    /// Frames that are written next. Answers, at most a window of them, and few requests.
    queue: VecDeque<Message>,
    next_request: u64,
    /// Requests without an answer. Bounded by the peer's window.
    asked: HashMap<u64, Asked>,
    waits: FuturesUnordered<Wait>,
    /// What waits for the application.
    received: HashMap<u64, ReceivedRequest>,
    received_bytes: usize,
    next_wait: u64,
    opened: Instant,
    pinged: bool,
}

/// A request to the peer.
enum Asked {
    Send(MessageId),
    Seen,
}

/// A message of the peer without an answer.
struct ReceivedRequest {
    /// The JSON of the request's id.
    id: String,
    key: MessageKey,
    bytes: usize,
}

/// The end of the link, with what the peer is told.
struct Ended(Option<DirectRefusal>);

impl Drop for LinkDriver {
    fn drop(&mut self) {
        // Their receivers are dropped first, so that nobody is told who is gone.
        self.waits.clear();
        for request in self.received.values() {
            self.shared.state.acknowledgements.end_direct(&request.key);
        }
    }
}

impl LinkDriver {
    pub(super) fn new(
        shared: Arc<Shared>,
        id: LinkId,
        peer: Arc<VerifiedRecord>,
        own_record: Arc<[u8]>,
        heard: Arc<AtomicU64>,
        events: mpsc::Sender<PeerEvent>,
        frames: mpsc::Sender<Message>,
    ) -> Self {
        Self {
            shared,
            id,
            peer,
            own_record,
            heard,
            events,
            frames,
            queue: VecDeque::new(),
            next_request: 2,
            asked: HashMap::new(),
            waits: FuturesUnordered::new(),
            received: HashMap::new(),
            received_bytes: 0,
            next_wait: 0,
            opened: Instant::now(),
            pinged: false,
        }
    }

    pub(super) async fn run(
        mut self,
        mut stream: SplitStream<LinkSocket>,
        mut orders: mpsc::Receiver<LinkOrder>,
    ) {
        let shared = Arc::clone(&self.shared);
        let ended = shared.ended();
        tokio::pin!(ended);
        let mut check = interval(LINK_CHECK_INTERVAL);
        check.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let reason = loop {
            let done = tokio::select! {
                permit = self.frames.clone().reserve_owned(), if !self.queue.is_empty() => {
                    if let (Ok(permit), Some(frame)) = (permit, self.queue.pop_front()) {
                        permit.send(frame);
                    }
                    Ok(())
                }
                frame = stream.next() => match frame {
                    Some(Ok(frame)) => self.on_frame(frame).await,
                    Some(Err(_)) | None => Err(Ended(None)),
                },
                order = orders.recv(), if self.queue.len() < LINK_QUEUE_MAX => self.on_order(order),
                Some((wait, settlement)) = self.waits.next(), if !self.waits.is_empty() => {
                    self.on_settled(wait, settlement);
                    Ok(())
                }
                _ = check.tick() => self.on_check(),
                () = &mut ended => Err(Ended(Some(DirectRefusal::Ending))),
            };
            if let Err(Ended(reason)) = done {
                break reason;
            }
        };
        if let Some(reason) = reason {
            // A peer that reads nothing is not waited for.
            let _ = tokio::time::timeout(LINK_CLOSE_TIMEOUT, self.close(reason)).await;
        }
    }

    /// Sends the answers that are due, and a close frame. The writer ends the link then.
    async fn close(&mut self, reason: DirectRefusal) {
        if reason == DirectRefusal::Ending {
            while self.shared.state.acknowledgements.has_untold_direct() {
                tokio::time::sleep(UNTOLD_CHECK_INTERVAL).await;
            }
            while let Some(Some((wait, settlement))) = self.waits.next().now_or_never() {
                self.on_settled(wait, settlement);
            }
        }
        let rest: Vec<_> = self.queue.drain(..).collect();
        for frame in rest.into_iter().chain([Message::Close(Some(close_frame(reason)))]) {
            if self.frames.send(frame).await.is_err() {
                return;
            }
        }
        std::future::pending().await
    }

    async fn on_frame(&mut self, frame: Message) -> Result<(), Ended> {
        let now = u64::try_from(self.shared.now().as_millis()).unwrap_or(u64::MAX);
        self.heard.store(now, Ordering::Relaxed);
        self.pinged = false;
        match frame {
            Message::Text(text) => self.on_text(&text).await,
            Message::Close(_) => Err(Ended(None)),
            Message::Binary(_) => Err(Ended(Some(DirectRefusal::Malformed))),
            // The WebSocket library answers pings.
            _ => Ok(()),
        }
    }

    async fn on_text(&mut self, text: &str) -> Result<(), Ended> {
        let malformed = || Ended(Some(DirectRefusal::Malformed));
        if self.queue.len() > LINK_ANSWERS_MAX {
            return Err(self.refuse(DirectRefusal::WindowExceeded));
        }
        match Incoming::parse(text).map_err(|_| malformed())? {
            Incoming::Request { id, method: name, params } => {
                let id = id.as_json().to_owned();
                match &*name {
                    relay_method::SEND => self.on_send(id, params),
                    method::SEEN => self.on_seen_request(&id, params),
                    _ => {
                        self.answer_error(&id, &RpcError::new(Reason::UnknownMethod, None));
                        Ok(())
                    }
                }
            }
            Incoming::Result { id, result } => self.on_result(id.as_json(), result).await,
            Incoming::Error { id: Some(id), error } => {
                if let Some(Asked::Send(id)) = self.take_asked(id.as_json()) {
                    self.tell(PeerEvent::Answered { link: self.id, id, answer: Err(error) }).await?;
                }
                Ok(())
            }
            Incoming::Error { id: None, .. } => Err(malformed()),
            // A later version may send notifications.
            Incoming::Notification { .. } => Ok(()),
        }
    }

    fn on_send(&mut self, id: String, envelope: &str) -> Result<(), Ended> {
        let bytes = self.received_bytes.saturating_add(envelope.len());
        let has_room = self.received.is_empty()
            || (self.received.len() < DIRECT_WINDOW_MESSAGES && bytes <= DIRECT_WINDOW_BYTES);
        if !has_room {
            return Err(self.refuse(DirectRefusal::WindowExceeded));
        }
        match admit_direct(&self.shared.state, envelope, &self.peer) {
            DirectOutcome::Answer(answer) => self.answer(&id, answer),
            DirectOutcome::Close(reason) => return Err(self.refuse(reason)),
            DirectOutcome::Wait(key, settled) => {
                let (wait, bytes) = (self.next_wait, envelope.len());
                self.next_wait += 1;
                self.received_bytes += bytes;
                self.received.insert(wait, ReceivedRequest { id, key, bytes });
                self.waits.push(async move { (wait, settled.await.ok()) }.boxed());
            }
        }
        Ok(())
    }

    fn refuse(&self, reason: DirectRefusal) -> Ended {
        self.shared.count_refusal(reason);
        Ended(Some(reason))
    }

    fn on_settled(&mut self, wait: u64, settlement: Option<Settlement>) {
        let Some(request) = self.received.remove(&wait) else { return };
        self.received_bytes -= request.bytes;
        match settlement {
            Some(Settlement::Processed) => self.answer(&request.id, Ok(SendStatus::Delivered)),
            Some(Settlement::Refused(reason)) => self.answer(&request.id, Err(RpcError::refused(reason))),
            // The agent has ended; the sender repeats the message on another way.
            None => {}
        }
    }

    fn on_seen_request(&mut self, id: &str, params: &str) -> Result<(), Ended> {
        let asked: SeenParams =
            strict_json::from_str(params).map_err(|_| Ended(Some(DirectRefusal::Malformed)))?;
        if asked.ids.len() > SEEN_IDS_MAX {
            return Err(Ended(Some(DirectRefusal::Malformed)));
        }
        let mut result = SeenResult::default();
        for message in asked.ids {
            match self.shared.state.acknowledgements.state_of(&(self.peer.did.clone(), message)) {
                DeliveryState::Processed => result.processed.push(message),
                DeliveryState::Held => result.held.push(message),
                DeliveryState::New => {}
            }
        }
        let mut frame = Vec::new();
        write_result(&mut frame, id, &result);
        self.push(frame);
        Ok(())
    }

    async fn on_result(&mut self, id: &str, result: &str) -> Result<(), Ended> {
        let malformed = |_| Ended(Some(DirectRefusal::Malformed));
        let link = self.id;
        match self.take_asked(id) {
            Some(Asked::Send(id)) => {
                let SendResult { status } = strict_json::from_str(result).map_err(malformed)?;
                self.tell(PeerEvent::Answered { link, id, answer: Ok(status) }).await
            }
            Some(Asked::Seen) => {
                let result = strict_json::from_str(result).map_err(malformed)?;
                self.tell(PeerEvent::Seen { link, result }).await
            }
            None => Ok(()),
        }
    }

    fn on_order(&mut self, order: Option<LinkOrder>) -> Result<(), Ended> {
        match order {
            Some(LinkOrder::Send { id, params }) => {
                let number = self.ask(Asked::Send(id));
                let head =
                    format!(r#"{{"jsonrpc":"2.0","id":{number},"method":"{}","params":"#, relay_method::SEND);
                self.queue.push_back(Message::text(format!("{head}{params}}}")));
            }
            Some(LinkOrder::AskSeen(ids)) => {
                let number = self.ask(Asked::Seen);
                let mut frame = Vec::new();
                write_request(&mut frame, number, method::SEEN, &SeenParams { ids });
                self.push(frame);
            }
            Some(LinkOrder::Ping) => self.queue.push_back(Message::Ping(Vec::new().into())),
            Some(LinkOrder::Close(reason)) => return Err(Ended(Some(reason))),
            None => return Err(Ended(Some(DirectRefusal::Ending))),
        }
        Ok(())
    }

    /// Ends a link that is silent or old, or whose agent has signed another record since.
    fn on_check(&mut self) -> Result<(), Ended> {
        let silent =
            self.shared.now().saturating_sub(Duration::from_millis(self.heard.load(Ordering::Relaxed)));
        if silent >= LINK_IDLE_TIMEOUT {
            return Err(Ended(Some(DirectRefusal::TooSlow)));
        }
        let is_current = self.shared.state.record.borrow().as_ref() == Some(&self.own_record);
        if !is_current || self.opened.elapsed() >= LINK_TTL {
            return Err(Ended(Some(DirectRefusal::Ending)));
        }
        if silent >= LINK_IDLE_PING_INTERVAL && !self.pinged {
            self.pinged = true;
            self.queue.push_back(Message::Ping(Vec::new().into()));
        }
        Ok(())
    }

    fn ask(&mut self, asked: Asked) -> u64 {
        let number = self.next_request;
        self.next_request += 1;
        self.asked.insert(number, asked);
        number
    }

    fn take_asked(&mut self, id: &str) -> Option<Asked> {
        id.parse().ok().and_then(|number: u64| self.asked.remove(&number))
    }

    fn answer(&mut self, id: &str, answer: Result<SendStatus, RpcError>) {
        match answer {
            Ok(status) => {
                let mut frame = Vec::new();
                write_result(&mut frame, id, &SendResult { status });
                self.push(frame);
            }
            Err(error) => self.answer_error(id, &error),
        }
    }

    fn answer_error(&mut self, id: &str, error: &RpcError) {
        let mut frame = Vec::new();
        write_error(&mut frame, Some(id), error);
        self.push(frame);
    }

    fn push(&mut self, frame: Vec<u8>) {
        // Every part comes from a string or a serializer, so the bytes are UTF-8.
        if let Ok(text) = String::from_utf8(frame) {
            self.queue.push_back(Message::text(text));
        }
    }

    async fn tell(&mut self, event: PeerEvent) -> Result<(), Ended> {
        self.events.send(event).await.map_err(|_| Ended(Some(DirectRefusal::Ending)))
    }
}
