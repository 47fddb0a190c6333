//! Drives a session: handles incoming frames and callers' commands, and chooses what is sent next.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use futures::stream::SplitStream;
use protocol::Reason;
use protocol::frame::{
    AckParams, GoodbyeParams, Incoming, NoticeParams, RegisterResult, RpcError, method, request_number,
    traced_id, write_notification,
};
use protocol::limits::IDLE_TIMEOUT;
use protocol::strict_json;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, interval, sleep_until};
use tokio_tungstenite::tungstenite::{Error as WsError, Message};

use super::dial::Socket;
use super::disconnect::Disconnect;
use super::key_rotation;
use super::request_queue::{RequestQueue, sweep_interval};
use super::session_health::SessionHealth;
use crate::agent_state::{AgentState, DiskJob};
use crate::connection_state::{ConnectionState, Session};
use crate::delivery::admission::Delivery;
use crate::rpc::{Command, PendingResponse, RpcFailure};

/// How often the age of the keys is checked, and whether somebody else rotated them. The kubelet
/// needs about as long to update a mounted Secret.
const ROTATION_CHECK_INTERVAL: Duration = Duration::from_secs(60);
/// How long the last acknowledgement and the close frame may take to be written.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// Before a sync is repeated that failed.
const SYNC_RETRY_INTERVAL: Duration = Duration::from_secs(5);

pub(super) struct SessionDriver<'a> {
    state: Arc<AgentState>,
    requests: &'a mut RequestQueue,
    session: Session,
    window_bytes: u64,
    frames: mpsc::Sender<Message>,
    deliveries: mpsc::Sender<Delivery>,
    /// The relay's announcement that it will close, with the time to reconnect.
    goodbye: Option<GoodbyeParams>,
    health: SessionHealth,
    sync: Sync,
}

/// The work of the disk in front of the next acknowledgement. It runs on a thread that may block,
/// and ends there if the session ends first.
enum Sync {
    Idle,
    Running(JoinHandle<std::io::Result<Option<AckParams>>>),
    /// It failed, and is repeated at this time.
    Failed(Instant),
}

impl Sync {
    async fn finished(&mut self) -> std::io::Result<Option<AckParams>> {
        match self {
            Self::Running(job) => job.await.unwrap_or_else(|e| Err(std::io::Error::other(e))),
            Self::Idle | Self::Failed(_) => std::future::pending().await,
        }
    }
}

impl<'a> SessionDriver<'a> {
    pub(super) fn new(
        state: Arc<AgentState>,
        requests: &'a mut RequestQueue,
        registered: &RegisterResult,
        frames: mpsc::Sender<Message>,
        deliveries: mpsc::Sender<Delivery>,
    ) -> Self {
        let session = Session {
            epoch: registered.epoch,
            tenant: registered.tenant.clone(),
            window: registered.window,
            pending: registered.pending,
        };
        let window_bytes = registered.limits.window_bytes;
        let (health, sync) = (SessionHealth::new(), Sync::Idle);
        Self { state, requests, session, window_bytes, frames, deliveries, goodbye: None, health, sync }
    }

    pub(super) async fn run(mut self, mut stream: SplitStream<Socket>) -> Disconnect {
        let state = Arc::clone(&self.state);
        state.connection.send_replace(ConnectionState::Online(self.session.clone()));
        let mut sweep = sweep_interval();
        let mut check_keys = interval(ROTATION_CHECK_INTERVAL);
        // The first tick would come at once; the keys were checked before the session.
        check_keys.reset();
        loop {
            self.start_sync();
            let work = self.requests.outbox.has_unwritten() || state.acknowledgements.has_frame();
            let ended = tokio::select! {
                permit = self.frames.clone().reserve_owned(), if work => {
                    if let Ok(permit) = permit {
                        self.send_next(permit);
                    }
                    None
                }
                frame = stream.next() => {
                    self.health.on_frame();
                    self.on_frame(frame)
                }
                command = self.requests.commands.recv() => self.on_command(command),
                () = state.acknowledgements.changed() => None,
                synced = self.sync.finished() => {
                    self.on_synced(synced);
                    None
                }
                () = sleep_until(self.health.deadline) => Some(idle()),
                _ = sweep.tick() => {
                    self.on_sweep();
                    None
                }
                _ = check_keys.tick() => {
                    key_rotation::must_register(&state.config, &state.identity())
                        .then_some(Disconnect::Reregister)
                }
            };
            match ended {
                None => {}
                Some(Disconnect::Closed) => return self.close().await,
                Some(disconnect) => return disconnect,
            }
        }
    }

    /// Begins what the disk must do for the next acknowledgement, unless it is at work.
    fn start_sync(&mut self) {
        match self.sync {
            Sync::Running(_) => return,
            Sync::Failed(again) if Instant::now() < again => return,
            Sync::Failed(_) | Sync::Idle => {}
        }
        match self.state.next_disk_job() {
            Ok(None) => self.sync = Sync::Idle,
            Ok(Some(DiskJob::Sync { ack, files })) if files.is_empty() => self.on_synced(Ok(Some(ack))),
            Ok(Some(job)) => {
                let state = Arc::clone(&self.state);
                self.sync = Sync::Running(tokio::task::spawn_blocking(move || job.run(&state)));
            }
            Err(error) => self.on_synced(Err(error)),
        }
    }

    fn on_synced(&mut self, synced: std::io::Result<Option<AckParams>>) {
        match synced {
            Ok(ack) => {
                self.sync = Sync::Idle;
                if let Some(ack) = ack {
                    self.state.acknowledgements.on_synced(ack);
                }
            }
            Err(error) => {
                tracing::warn!(error = %error, "cannot sync the state folder; nothing is acknowledged until then");
                self.state.on_sync_failed();
                self.sync = Sync::Failed(Instant::now() + SYNC_RETRY_INTERVAL);
            }
        }
    }

    fn on_sweep(&mut self) {
        self.requests.sweep();
        self.state.acknowledgements.retry();
        if self.health.woke() {
            tracing::info!("the machine has slept; pinging the relay");
            self.state.contacts.expire_all();
            // A full queue is being written, which shows as well whether the connection lives.
            let _ = self.frames.try_send(Message::Ping(Vec::new().into()));
        }
        self.report_stall();
    }

    /// Tells the application when the relay has stopped sending because of it.
    fn report_stall(&mut self) {
        let (oldest, count, bytes) = self.state.acknowledgements.window();
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        let used = count >= self.session.window / 2 || bytes >= self.window_bytes / 2;
        let stalled = self.health.is_stalled(oldest, used);
        self.state.connection.send_if_modified(|now| {
            let changed = stalled == now.is_online();
            if changed && stalled {
                tracing::warn!(
                    window.messages = count,
                    window.bytes = bytes,
                    "the oldest message is unacknowledged for a minute; little arrives behind it"
                );
                *now = ConnectionState::Stalled(self.session.clone());
            } else if changed {
                *now = ConnectionState::Online(self.session.clone());
            }
            changed
        });
    }

    /// Sends the refusal or acknowledgement that is due, or else the next request.
    fn send_next(&mut self, permit: mpsc::OwnedPermit<Message>) {
        let mut frame = Vec::new();
        if let Some(refusal) = self.state.acknowledgements.next_refusal() {
            write_notification(&mut frame, method::REFUSE, &refusal);
        } else if let Some(ack) = self.state.acknowledgements.due() {
            write_notification(&mut frame, method::ACK, &ack);
            self.state.acknowledgements.on_ack_sent(ack);
        } else if let Some((id, waiting)) = self.requests.outbox.write_next(PendingResponse::is_abandoned) {
            waiting.caller.mark_written();
            let request = &waiting.request;
            let id = traced_id(id, request.traceparent.as_deref());
            let head = format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"{}","params":"#, request.method);
            frame.extend_from_slice(head.as_bytes());
            frame.extend_from_slice(request.params.as_bytes());
            frame.push(b'}');
        } else {
            return;
        }
        // Every part comes from a string or a serializer, so the bytes are UTF-8.
        if let Ok(text) = String::from_utf8(frame) {
            permit.send(Message::text(text));
        }
    }

    fn on_command(&mut self, command: Option<Command>) -> Option<Disconnect> {
        match command {
            Some(Command::Send(request, response)) => {
                self.requests.outbox.push(request, response);
                None
            }
            Some(Command::Reregister) => Some(Disconnect::Reregister),
            Some(Command::Close) | None => Some(Disconnect::Closed),
        }
    }

    fn on_frame(&mut self, frame: Option<Result<Message, WsError>>) -> Option<Disconnect> {
        match frame {
            None => Some(self.on_disconnect(Disconnect::lost("it ended without a close frame"))),
            Some(Err(e)) => Some(self.on_disconnect(Disconnect::lost(e))),
            Some(Ok(Message::Close(frame))) => {
                let code = frame.map_or(1005, |frame| frame.code.into());
                Some(self.on_disconnect(Disconnect::ClosedByRelay(code)))
            }
            Some(Ok(Message::Text(text))) => self.on_text(&text).err(),
            // The WebSocket library answers pings. Binary frames are not part of the protocol.
            Some(Ok(_)) => None,
        }
    }

    /// Replaces an announced close by its announcement, unless the close code says more.
    fn on_disconnect(&mut self, disconnect: Disconnect) -> Disconnect {
        let planned =
            matches!(disconnect, Disconnect::Lost(_) | Disconnect::ClosedByRelay(1000 | 1001 | 1005 | 1012));
        match self.goodbye.take() {
            Some(goodbye) if planned => Disconnect::Goodbye(goodbye),
            _ => disconnect,
        }
    }

    fn on_text(&mut self, text: &str) -> Result<(), Disconnect> {
        match Incoming::parse(text).map_err(Disconnect::lost)? {
            Incoming::Result { id, result } => self.complete(id.as_json(), Ok(result.to_owned())),
            Incoming::Error { id: Some(id), error } if !is_retried(&error) => {
                self.complete(id.as_json(), Err(RpcFailure::Rejected(error)));
            }
            // The request stays in the outbox, and the next session repeats it.
            Incoming::Error { id: Some(_), .. } => {}
            Incoming::Error { id: None, error } => {
                tracing::warn!(reason = error.data.reason.as_str(), "the relay could not read a frame");
            }
            Incoming::Notification { method, params } => self.on_notification(&method, params)?,
            Incoming::Request { method, .. } => {
                tracing::debug!(method = &*method, "ignoring a request of the relay");
            }
        }
        Ok(())
    }

    fn complete(&mut self, id: &str, result: Result<String, RpcFailure>) {
        if let Some(response) = request_number(id).and_then(|id| self.requests.outbox.answered(id)) {
            response.complete(result);
        }
    }

    fn on_notification(&mut self, method: &str, params: &str) -> Result<(), Disconnect> {
        match method {
            method::DELIVER => self.on_delivery(strict_json::from_str(params).map_err(Disconnect::lost)?),
            method::NOTICE => {
                self.on_notice(strict_json::from_str(params).map_err(Disconnect::lost)?);
                Ok(())
            }
            method::GOODBYE => {
                self.goodbye = Some(strict_json::from_str(params).map_err(Disconnect::lost)?);
                Ok(())
            }
            // A later version of the relay may send further notifications.
            _ => Ok(()),
        }
    }

    /// Settles a notice once it is written. One that cannot be written comes again in the next
    /// session.
    fn on_notice(&mut self, notice: NoticeParams) {
        if notice.epoch != self.session.epoch {
            return;
        }
        let seq = notice.seq;
        self.state.acknowledgements.on_arrival(seq, 0);
        match self.state.notices.record(&notice) {
            Ok(()) => {
                self.state.acknowledgements.settle(seq);
                self.state.on_notice(&notice);
            }
            Err(error) => tracing::warn!(error = %error, "cannot write a notice, which stays at the relay"),
        }
    }

    fn on_delivery(&mut self, delivery: Delivery) -> Result<(), Disconnect> {
        if delivery.epoch != self.session.epoch {
            return Ok(());
        }
        self.state.acknowledgements.on_arrival(delivery.seq, delivery.bytes());
        // The window counts every delivery, so an honest relay never fills the queue. A delivery
        // that does not fit is redelivered in the next session.
        let queued = self.deliveries.try_send(delivery);
        queued.map_err(|_| Disconnect::lost("it sent more than the window allows"))
    }

    /// Waits for the syncs in front of the last acknowledgement.
    async fn finish_syncs(&mut self) {
        loop {
            self.start_sync();
            let Sync::Running(_) = self.sync else { return };
            let synced = self.sync.finished().await;
            self.on_synced(synced);
        }
    }

    /// Sends what is due and a close frame. The writer ends the session once that is written.
    async fn close(mut self) -> Disconnect {
        let flush = async {
            self.finish_syncs().await;
            while self.state.acknowledgements.has_frame() {
                let Ok(permit) = self.frames.clone().reserve_owned().await else { return };
                self.send_next(permit);
            }
            if self.frames.send(Message::Close(None)).await.is_ok() {
                std::future::pending().await
            }
        };
        // The end of the writer drops this future. The timeout is for a relay that reads nothing.
        let _ = tokio::time::timeout(CLOSE_TIMEOUT, flush).await;
        Disconnect::Closed
    }
}

/// The relay pings three times within the idle timeout, so that silence means that it is gone.
fn idle() -> Disconnect {
    Disconnect::lost(format!("nothing was received for {} s", IDLE_TIMEOUT.as_secs()))
}

/// Refusals after which the next session repeats the request.
fn is_retried(error: &RpcError) -> bool {
    matches!(error.data.reason, Reason::Draining | Reason::NotRegistered)
}
