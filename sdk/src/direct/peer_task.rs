//! The task of one peer: it takes the messages to that agent in order, and does what the path
//! switch decides: writes them to a link, gives them to the relay, and dials.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures::StreamExt as _;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use protocol::Did;
use protocol::direct::{DirectEndpoint, DirectRefusal, SeenResult};
use protocol::envelope::MessageId;
use protocol::frame::{RpcError, SendResult, SendStatus, method};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};

use super::greeting::GreetedLink;
use super::kept_send::{KeptSend, WaitingCaller, is_final};
use super::peer_event::{LinkHandle, LinkOrder, PeerEvent, QueuedSend, RelayRight};
use super::shared::{LinkFailure, Shared};
use super::{dialer, link};
use crate::agent_state::SentNews;
use crate::error::{Error, ErrorKind};
use crate::rpc::{self, RpcFailure};
use crate::sent::Path;
use crate::state_machine::{Backoff, LinkId, PathAction, PathSwitch, Request};

/// Links to one peer beside the one that is used: one that the peer opened, and one that is about
/// to end. The oldest is closed.
const SPARE_LINKS_MAX: usize = 2;
/// How often messages are dropped whose callers have given up.
const SEND_SWEEP_INTERVAL: Duration = Duration::from_secs(1);

type RelayAnswer = (MessageId, Result<String, RpcFailure>);

pub(super) struct PeerTask {
    shared: Arc<Shared>,
    did: Did,
    own_events: mpsc::WeakSender<PeerEvent>,
    switch: PathSwitch,
    sends: HashMap<MessageId, KeptSend>,
    link: Option<LinkHandle>,
    /// Other open links, the newest last.
    spares: VecDeque<LinkHandle>,
    endpoints: Vec<DirectEndpoint>,
    dial: Option<BoxFuture<'static, Result<GreetedLink, LinkFailure>>>,
    /// Whether a link was dialled that has not said yet that it is there.
    linking: bool,
    dial_replies: Vec<oneshot::Sender<Result<(), Error>>>,
    dial_failures: u32,
    dial_at: Instant,
    backoff: Backoff,
    relay_answers: FuturesUnordered<BoxFuture<'static, RelayAnswer>>,
}

impl PeerTask {
    pub(super) fn new(shared: Arc<Shared>, did: Did, own_events: mpsc::WeakSender<PeerEvent>) -> Self {
        Self {
            shared,
            did,
            own_events,
            switch: PathSwitch::new(),
            sends: HashMap::new(),
            link: None,
            spares: VecDeque::new(),
            endpoints: Vec::new(),
            dial: None,
            linking: false,
            dial_replies: Vec::new(),
            dial_failures: 0,
            dial_at: Instant::now(),
            backoff: Backoff::new(),
            relay_answers: FuturesUnordered::new(),
        }
    }

    /// Runs until the agent closes.
    pub(super) async fn run(mut self, mut events: mpsc::Receiver<PeerEvent>) {
        let shared = Arc::clone(&self.shared);
        let ended = shared.ended();
        tokio::pin!(ended);
        let mut sweep = interval(SEND_SWEEP_INTERVAL);
        sweep.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            self.act().await;
            let deadline = self.deadline();
            tokio::select! {
                event = events.recv() => match event {
                    Some(event) => self.on_event(event),
                    None => return,
                },
                Some((id, answer)) = self.relay_answers.next(), if !self.relay_answers.is_empty() => {
                    self.on_relay_answer(id, answer);
                }
                dialled = dialled(&mut self.dial) => self.on_dialled(dialled),
                () = sleep_until(deadline.unwrap_or_else(Instant::now)), if deadline.is_some() => {}
                _ = sweep.tick(), if !self.sends.is_empty() => self.sweep(),
                () = &mut ended => return,
            }
        }
    }

    fn on_event(&mut self, event: PeerEvent) {
        match event {
            PeerEvent::Send(send) => self.on_send(*send),
            PeerEvent::Dial { endpoints, reply } => {
                self.endpoints = endpoints;
                match &self.link {
                    Some(_) => drop(reply.send(Ok(()))),
                    None => self.dial_replies.push(reply),
                }
            }
            PeerEvent::Linked(link) => self.on_linked(link),
            PeerEvent::LinkEnded(id) => self.on_link_ended(id),
            PeerEvent::Answered { link, id, answer } => self.on_answered(link, id, answer),
            PeerEvent::Seen { link, result } => self.on_seen(link, &result),
            PeerEvent::News(id, news) => self.on_news(id, news),
        }
    }

    fn on_send(&mut self, send: QueuedSend) {
        let QueuedSend { id, params, attempt, endpoints, relay, rpc, permit, traceparent, written, caller } =
            send;
        if !endpoints.is_empty() {
            self.endpoints = endpoints;
        }
        if self.link.is_none() && self.endpoints.is_empty() && relay != RelayRight::Allowed {
            let error = Error::new(ErrorKind::Connect, attempt)
                .caused_by("no address is known at which it can be reached directly")
                .advising("let it listen for direct connections, or list its address among the peers");
            let _ = caller.send(Err(error));
            return;
        }
        let bytes = params.len();
        let waiting = Some(WaitingCaller { rpc, permit, traceparent, written, caller });
        let kept = KeptSend { params, attempt, right: relay, waiting, relay_error: None, is_on_link: false };
        if self.sends.insert(id, kept).is_some() {
            // The caller repeats a message that it gave up.
            self.switch.settle(&id);
            self.switch.take_forgotten();
        }
        self.switch.push(id, bytes, relay == RelayRight::Allowed, self.shared.now());
    }

    fn on_linked(&mut self, link: LinkHandle) {
        (self.dial_failures, self.linking) = (0, false);
        self.switch.on_link(link.id, link.window, link.window_bytes, self.shared.now());
        self.spares.extend(self.link.replace(link));
        if self.spares.len() > SPARE_LINKS_MAX
            && let Some(oldest) = self.spares.pop_front()
        {
            // A link that takes no orders ends by itself.
            let _ = oldest.orders.try_send(LinkOrder::Close(DirectRefusal::TooManyConnections));
        }
        for reply in self.dial_replies.drain(..) {
            let _ = reply.send(Ok(()));
        }
    }

    fn on_link_ended(&mut self, id: LinkId) {
        self.spares.retain(|spare| spare.id != id);
        let Some(ended) = self.link.take_if(|link| link.id == id) else { return };
        for id in self.switch.on_link_ended(ended.id) {
            let error = self.sends.get_mut(&id).and_then(|send| send.relay_error.take());
            self.complete(&id, Err(error.unwrap_or_else(|| self.broken())));
        }
        self.backoff.on_disconnect(Some(ended.opened.elapsed()));
        self.dial_at = Instant::now() + self.backoff.next(rand::random());
        if let Some(spare) = self.spares.pop_back() {
            self.switch.on_link(spare.id, spare.window, spare.window_bytes, self.shared.now());
            self.link = Some(spare);
        }
    }

    fn on_answered(&mut self, link: LinkId, id: MessageId, answer: Result<SendStatus, RpcError>) {
        let attempt = self.sends.get(&id).map(|send| send.attempt.clone()).unwrap_or_default();
        let answer = answer.map(|status| (status, Path::Direct)).map_err(|e| rpc::rejected(&attempt, &e));
        self.complete(&id, answer);
        self.switch.on_answered(link, &id);
    }

    fn on_seen(&mut self, link: LinkId, result: &SeenResult) {
        for id in &result.processed {
            self.complete(id, Ok((SendStatus::Delivered, Path::Direct)));
        }
        self.switch.on_seen(link, &result.processed, &result.held, self.shared.now());
    }

    fn on_news(&mut self, id: MessageId, news: SentNews) {
        match news {
            SentNews::Answered => {
                let is_on_link = self.sends.get(&id).is_some_and(|send| send.is_on_link);
                let path = if is_on_link { Path::Direct } else { Path::Relay };
                self.complete(&id, Ok((SendStatus::Delivered, path)));
                self.switch.settle(&id);
            }
            // Before the relay's answer it is about an earlier message with this id.
            SentNews::EndedAtRelay if self.sends.get(&id).is_some_and(|send| send.waiting.is_some()) => {}
            SentNews::EndedAtRelay => self.switch.on_relay_settled(&id),
        }
    }

    fn on_relay_answer(&mut self, id: MessageId, answer: Result<String, RpcFailure>) {
        let Some(send) = self.sends.get_mut(&id) else { return };
        let written = send.waiting.as_ref().is_some_and(|waiting| waiting.written.load(Ordering::Acquire));
        let parse = |text: String| protocol::strict_json::from_str::<SendResult>(&text);
        match answer.map(parse) {
            Ok(Ok(SendResult { status })) => {
                self.complete(&id, Ok((status, Path::Relay)));
                match status {
                    SendStatus::Stored => self.switch.on_relay_stored(&id),
                    SendStatus::Delivered | SendStatus::Forwarded => self.switch.on_relay_settled(&id),
                }
            }
            Ok(Err(error)) => {
                let error = Error::new(ErrorKind::Protocol, send.attempt.clone()).caused_by(error);
                self.fail_at_relay(&id, error.possibly_sent(true), false);
            }
            Err(failure) => {
                let is_final = matches!(&failure, RpcFailure::Rejected(e) if is_final(e.data.reason));
                let error = rpc::failed(&send.attempt, failure, written);
                self.fail_at_relay(&id, error, is_final);
            }
        }
    }

    /// The relay did not take the message. The recipient may have it from a link.
    fn fail_at_relay(&mut self, id: &MessageId, error: Error, is_final: bool) {
        if is_final {
            self.complete(id, Err(error));
            self.switch.on_relay_settled(id);
        } else if self.switch.on_relay_failed(id) {
            if let Some(send) = self.sends.get_mut(id) {
                send.relay_error = Some(error);
            }
        } else {
            self.complete(id, Err(error));
        }
    }

    fn on_dialled(&mut self, dialled: Result<GreetedLink, LinkFailure>) {
        self.dial = None;
        match dialled {
            Ok(greeted) => {
                // The link says that it is there; until then the switch waits for it.
                if let Some(events) = self.own_events.upgrade() {
                    self.linking = true;
                    tokio::spawn(link::run(Arc::clone(&self.shared), greeted, events));
                }
            }
            Err(failure) => self.on_dial_failed(failure),
        }
    }

    fn on_dial_failed(&mut self, failure: LinkFailure) {
        self.switch.on_dial_failed();
        self.dial_failures = self.dial_failures.saturating_add(1);
        self.backoff.on_disconnect(None);
        self.dial_at = Instant::now() + self.backoff.next(rand::random());
        let is_refused = matches!(failure, LinkFailure::Refused(_));
        if let LinkFailure::Refused(reason) = &failure {
            self.shared.count_refusal(*reason);
        }
        let error = failure.into_error(&self.did);
        for reply in self.dial_replies.drain(..) {
            let _ = reply.send(Err(error.clone()));
        }
        if self.link.is_some() {
            // The peer has dialled meanwhile.
            return;
        }
        let ids: Vec<_> =
            self.sends.iter().filter(|(_, send)| send.is_hopeless(is_refused)).map(|(id, _)| *id).collect();
        for id in ids {
            self.complete(&id, Err(error.clone()));
            self.switch.settle(&id);
        }
    }

    /// Drops the messages whose callers have given up. They are no longer promised.
    fn sweep(&mut self) {
        let ids: Vec<_> =
            self.sends.iter().filter(|(_, send)| send.is_abandoned()).map(|(id, _)| *id).collect();
        ids.iter().for_each(|id| self.switch.settle(id));
        self.dial_replies.retain(|reply| !reply.is_closed());
    }

    async fn act(&mut self) {
        self.start_dial();
        if let Some(link) = &self.link {
            let heard = Duration::from_millis(link.heard.load(Ordering::Relaxed));
            self.switch.on_heard(link.id, heard);
        }
        while let Some(action) = self.switch.next_action(self.shared.now()) {
            match action {
                PathAction::Write { link, id } => self.write(link, id),
                PathAction::AskSeen { link, ids } => self.order(link, LinkOrder::AskSeen(ids)),
                PathAction::Ping { link } => self.order(link, LinkOrder::Ping),
                PathAction::Close { link } => {
                    self.order(link, LinkOrder::Close(DirectRefusal::TooSlow));
                    self.on_link_ended(link);
                }
                PathAction::AskRelay { id } => self.ask_relay(id).await,
            }
        }
        for id in self.switch.take_forgotten() {
            self.sends.remove(&id);
        }
    }

    fn start_dial(&mut self) {
        let is_wanted = self.link.is_none() && (self.switch.wants_link() || !self.dial_replies.is_empty());
        let may_dial = self.dial.is_none()
            && !self.linking
            && !self.endpoints.is_empty()
            && Instant::now() >= self.dial_at;
        if !is_wanted || !may_dial {
            return;
        }
        if self.dial_failures == 0 {
            // Messages wait for the first attempt; later ones go on in the background.
            self.switch.on_dialing();
        }
        let (shared, did, endpoints) = (Arc::clone(&self.shared), self.did.clone(), self.endpoints.clone());
        self.dial = Some(Box::pin(dialer::dial(shared, did, endpoints)));
    }

    fn write(&mut self, link: LinkId, id: MessageId) {
        let Some(send) = self.sends.get_mut(&id) else { return };
        send.is_on_link = true;
        if let Some(waiting) = &send.waiting {
            waiting.written.store(true, Ordering::Release);
        }
        let params = Arc::clone(&send.params);
        self.order(link, LinkOrder::Send { id, params });
    }

    fn order(&mut self, link: LinkId, order: LinkOrder) {
        let taken = self
            .link
            .as_ref()
            .filter(|open| open.id == link)
            .is_some_and(|open| open.orders.try_send(order).is_ok());
        if !taken {
            // It ended, or takes nothing any more.
            self.on_link_ended(link);
        }
    }

    async fn ask_relay(&mut self, id: MessageId) {
        let Some(send) = self.sends.get(&id) else { return };
        let Some(waiting) = &send.waiting else { return };
        let params = send.params.to_string();
        let request = Request { method: method::SEND, params, traceparent: waiting.traceparent.clone() };
        let rpc = waiting.rpc.clone();
        let begun = rpc.begin(request, Arc::clone(&waiting.permit), &waiting.written).await;
        self.relay_answers.push(Box::pin(async move {
            let answer = match begun {
                Ok(receiver) => receiver.await.unwrap_or_else(|_| Err(rpc.ended())),
                Err(failure) => Err(failure),
            };
            (id, answer)
        }));
    }

    fn complete(&mut self, id: &MessageId, answer: Result<(SendStatus, Path), Error>) {
        if let Some(waiting) = self.sends.get_mut(id).and_then(|send| send.waiting.take()) {
            // The caller may have given up.
            let _ = waiting.caller.send(answer);
        }
    }

    fn broken(&self) -> Error {
        Error::new(ErrorKind::Connect, format!("the direct connection to {} ended", self.did))
            .possibly_sent(true)
    }

    fn deadline(&self) -> Option<Instant> {
        let switch = self.switch.deadline().map(|at| self.shared.instant(at));
        let is_wanted = self.switch.wants_link() || !self.dial_replies.is_empty();
        let dials = self.dial.is_none()
            && !self.linking
            && self.link.is_none()
            && is_wanted
            && !self.endpoints.is_empty();
        [switch, dials.then_some(self.dial_at)].into_iter().flatten().min()
    }
}

async fn dialled(
    dial: &mut Option<BoxFuture<'static, Result<GreetedLink, LinkFailure>>>,
) -> Result<GreetedLink, LinkFailure> {
    match dial {
        Some(dial) => dial.await,
        None => std::future::pending().await,
    }
}
