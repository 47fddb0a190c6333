//! The desk of a session: sorts what comes in, and says what goes out next.

use std::time::Duration;

use futures::StreamExt as _;
use futures::stream::SplitStream;
use protocol::Reason;
use protocol::frame::{
    GoodbyeParams, Incoming, NoticeParams, RpcError, method, request_number, traced_id, write_notification,
};
use protocol::strict_json;
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};
use tokio_tungstenite::tungstenite::Message;

use super::{Connection, Delivery, Ending, IDLE_TIMEOUT, Socket, lost, silence};
use crate::call::{Command, Failed, Waiter};
use crate::connection::{SWEEP_INTERVAL, rotation};

/// How often the age of the keys is checked.
const ROTATION_CHECK_INTERVAL: Duration = Duration::from_secs(3600);
/// Time for the last acknowledgement and the close frame to leave.
const CLOSE_DEADLINE: Duration = Duration::from_secs(2);

pub(super) struct Desk<'a> {
    connection: &'a mut Connection,
    epoch: u64,
    frames: mpsc::Sender<Message>,
    deliveries: mpsc::Sender<Delivery>,
    /// The relay's hint, kept until it closes.
    goodbye: Option<GoodbyeParams>,
}

impl<'a> Desk<'a> {
    pub(super) fn new(
        connection: &'a mut Connection,
        epoch: u64,
        frames: mpsc::Sender<Message>,
        deliveries: mpsc::Sender<Delivery>,
    ) -> Self {
        Self { connection, epoch, frames, deliveries, goodbye: None }
    }

    pub(super) async fn serve(mut self, mut stream: SplitStream<Socket>) -> Ending {
        let shared = self.connection.shared.clone();
        let mut heard = Instant::now();
        let mut sweep = interval(SWEEP_INTERVAL);
        sweep.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut check_keys = interval(ROTATION_CHECK_INTERVAL);
        // The first tick comes at once; the keys were checked before the session began.
        check_keys.reset();
        loop {
            let work = self.connection.outbox.has_unwritten() || shared.acks.due().is_some();
            let step = tokio::select! {
                permit = self.frames.clone().reserve_owned(), if work => permit.ok().and_then(|p| { self.write(p); None }),
                frame = stream.next() => { heard = Instant::now(); self.read(frame) },
                command = self.connection.commands.recv() => self.obey(command),
                () = shared.acks.changed() => None,
                () = sleep_until(heard + IDLE_TIMEOUT) => Some(silence()),
                _ = sweep.tick() => { self.connection.outbox.sweep(Waiter::left); None },
                _ = check_keys.tick() => rotation::rotate_if_due(&shared.config).then_some(Ending::Reregister),
            };
            match step {
                None => {}
                Some(Ending::Closed) => return self.close().await,
                Some(ending) => return ending,
            }
        }
    }

    /// Writes the acknowledgement that is due, else the next request.
    fn write(&mut self, permit: mpsc::OwnedPermit<Message>) {
        let mut frame = Vec::new();
        if let Some(ack) = self.connection.shared.acks.due() {
            write_notification(&mut frame, method::ACK, &ack);
            self.connection.shared.acks.told(ack);
        } else if let Some((ticket, call)) = self.connection.outbox.write_next(Waiter::left) {
            let id = traced_id(ticket, call.traceparent.as_deref());
            let head = format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"{}","params":"#, call.method);
            frame.extend_from_slice(head.as_bytes());
            frame.extend_from_slice(call.params.as_bytes());
            frame.push(b'}');
        } else {
            return;
        }
        // Both come from texts and serializers, so the bytes are UTF-8.
        if let Ok(text) = String::from_utf8(frame) {
            permit.send(Message::text(text));
        }
    }

    fn obey(&mut self, command: Option<Command>) -> Option<Ending> {
        match command {
            Some(Command::Ask(call, waiter)) => {
                self.connection.outbox.push(call, waiter);
                None
            }
            Some(Command::Reregister) => Some(Ending::Reregister),
            Some(Command::Close) | None => Some(Ending::Closed),
        }
    }

    fn read(
        &mut self,
        frame: Option<Result<Message, tokio_tungstenite::tungstenite::Error>>,
    ) -> Option<Ending> {
        match frame {
            None => Some(self.gone(lost("it ended without a close frame"))),
            Some(Err(e)) => Some(self.gone(lost(e))),
            Some(Ok(Message::Close(frame))) => {
                let code = frame.map_or(1005, |frame| frame.code.into());
                Some(self.gone(Ending::ClosedByRelay(code)))
            }
            Some(Ok(Message::Text(text))) => self.sort(&text).err(),
            // Pings are answered below; binary frames are not part of this protocol and mean nothing.
            Some(Ok(_)) => None,
        }
    }

    /// A close that was announced follows the announcement's hint, unless its code says more.
    fn gone(&mut self, ending: Ending) -> Ending {
        let planned = matches!(ending, Ending::Lost(_) | Ending::ClosedByRelay(1000 | 1001 | 1005 | 1012));
        match self.goodbye.take() {
            Some(goodbye) if planned => Ending::Goodbye(goodbye),
            _ => ending,
        }
    }

    fn sort(&mut self, text: &str) -> Result<(), Ending> {
        match Incoming::parse(text).map_err(lost)? {
            Incoming::Result { id, result } => {
                self.settle(id.as_json(), |waiter| waiter.answer(Ok(result.to_owned())));
            }
            Incoming::Error { id: Some(id), error } if !postponed(&error) => {
                self.settle(id.as_json(), |waiter| waiter.answer(Err(Failed::Refused(error))));
            }
            // Left in the outbox: the next connection asks again.
            Incoming::Error { id: Some(_), .. } => {}
            Incoming::Error { id: None, error } => {
                tracing::warn!(reason = error.data.reason.as_str(), "the relay could not read a frame");
            }
            Incoming::Notification { method, params } => self.notified(&method, params)?,
            Incoming::Request { method, .. } => tracing::debug!(method = &*method, "a relay does not ask"),
        }
        Ok(())
    }

    fn settle(&mut self, id: &str, answer: impl FnOnce(Waiter)) {
        if let Some(waiter) = request_number(id).and_then(|ticket| self.connection.outbox.answered(ticket)) {
            answer(waiter);
        }
    }

    fn notified(&mut self, method: &str, params: &str) -> Result<(), Ending> {
        match method {
            method::DELIVER => self.deliver(strict_json::from_str(params).map_err(lost)?),
            method::NOTICE => {
                let notice: NoticeParams = strict_json::from_str(params).map_err(lost)?;
                if notice.epoch == self.epoch {
                    let seq = notice.seq;
                    self.connection.shared.notices.post(notice);
                    self.connection.shared.acks.settle(seq);
                }
                Ok(())
            }
            method::GOODBYE => {
                self.goodbye = Some(strict_json::from_str(params).map_err(lost)?);
                Ok(())
            }
            // A later relay may announce more.
            _ => Ok(()),
        }
    }

    fn deliver(&mut self, delivery: Delivery) -> Result<(), Ending> {
        if delivery.epoch != self.epoch {
            return Ok(());
        }
        // The window counts every delivery, so an honest relay never fills the queue; what is lost here comes again.
        self.deliveries.try_send(delivery).map_err(|_| lost("it sent more than the window allows"))
    }

    /// Sends what is due and the close frame; the writer ends the session when it is out.
    async fn close(mut self) -> Ending {
        let flush = async {
            while self.connection.shared.acks.due().is_some() {
                let Ok(permit) = self.frames.clone().reserve_owned().await else { return };
                self.write(permit);
            }
            if self.frames.send(Message::Close(None)).await.is_ok() {
                std::future::pending().await
            }
        };
        // The writer's end drops this future; the deadline is for a relay that takes nothing.
        let _ = tokio::time::timeout(CLOSE_DEADLINE, flush).await;
        Ending::Closed
    }
}

/// Refusals that the next session cures by itself.
fn postponed(error: &RpcError) -> bool {
    matches!(error.data.reason, Reason::Draining | Reason::NotRegistered)
}
