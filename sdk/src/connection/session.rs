//! Runs one registered session: reading, writing and admission concurrently, until one of them
//! ends.
//!
//! Reading never waits for writing. Requests and acknowledgements stay in their tables (outbox,
//! acknowledgement tracker) until a short queue of frames has a free slot.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::stream::SplitSink;
use futures::{SinkExt as _, StreamExt as _};
use protocol::UnixSeconds;
use protocol::frame::feature;
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval};
use tokio_tungstenite::tungstenite::Message;

use super::dial::Socket;
use super::disconnect::Disconnect;
use super::handshake::RegisteredSession;
use super::request_queue::RequestQueue;
use super::session_driver::SessionDriver;
use crate::agent_state::AgentState;
use crate::delivery::admission::{Admission, Delivery, WaitingDelivery, admit};
use crate::delivery::relay_clock::RelayClock;
use crate::rpc::WeakRpcClient;

/// Frames between driver and socket: enough to keep the socket busy, few enough that order and
/// memory stay with the outbox.
const FRAMES_MAX: usize = 16;
/// Deliveries between socket and admission: a full window (256), and as many ephemeral ones.
const DELIVERIES_MAX: usize = 512;
/// How often deliveries are tried again that could not be shown or refused.
const WAITING_DELIVERY_INTERVAL: Duration = Duration::from_secs(1);
/// How long one frame may take to be written. A relay that accepts nothing for longer is gone.
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);

pub(super) async fn run(
    state: &Arc<AgentState>,
    rpc: &WeakRpcClient,
    requests: &mut RequestQueue,
    registered: RegisteredSession,
) -> Disconnect {
    let RegisteredSession { socket, result } = registered;
    state.acknowledgements.start_epoch(result.epoch, result.supports(feature::REFUSE));
    requests.outbox.reconnected();
    tracing::info!(
        agent.did = %state.config.did,
        session.epoch = result.epoch,
        mailbox.pending = result.pending,
        "registered"
    );
    let (sink, stream) = socket.split();
    let (frames, queued_frames) = mpsc::channel(FRAMES_MAX);
    let (deliveries, queued_deliveries) = mpsc::channel(DELIVERIES_MAX);
    let relay_clock = RelayClock::told(result.time, Instant::now());
    let driver = SessionDriver::new(Arc::clone(state), requests, &result, frames, deliveries);
    tokio::select! {
        disconnect = driver.run(stream) => disconnect,
        disconnect = write_frames(sink, queued_frames) => disconnect,
        disconnect = admit_deliveries(state, rpc, queued_deliveries, relay_clock) => disconnect,
    }
}

/// Writes frames in order. Ends after a close frame.
async fn write_frames(
    mut sink: SplitSink<Socket, Message>,
    mut queued: mpsc::Receiver<Message>,
) -> Disconnect {
    while let Some(frame) = queued.recv().await {
        let closing = matches!(frame, Message::Close(_));
        // Frames that are queued already go out in one write.
        let more = !queued.is_empty() && !closing;
        let write = async { if more { sink.feed(frame).await } else { sink.send(frame).await } };
        match tokio::time::timeout(WRITE_TIMEOUT, write).await {
            Err(_) => return Disconnect::lost("it accepted no bytes for 30 s"),
            Ok(Err(_)) if closing => return Disconnect::Closed,
            Ok(Err(e)) => return Disconnect::lost(e),
            Ok(Ok(())) if closing => return Disconnect::Closed,
            Ok(Ok(())) => {}
        }
    }
    // The driver has ended, and its disconnect is the one that counts.
    std::future::pending().await
}

async fn admit_deliveries(
    state: &AgentState,
    rpc: &WeakRpcClient,
    mut queued: mpsc::Receiver<Delivery>,
    relay_clock: RelayClock,
) -> Disconnect {
    // They end with the session, and the relay delivers them again. Bounded by the relay's window.
    let mut waiting: Vec<WaitingDelivery> = Vec::new();
    let mut retry = interval(WAITING_DELIVERY_INTERVAL);
    retry.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let now_due = tokio::select! {
            delivery = queued.recv() => match delivery {
                Some(delivery) => {
                    // Those of the same sender that waited came before it.
                    let mut now_due = take_due(&mut waiting, state.now());
                    now_due.push(delivery);
                    now_due
                }
                None => break,
            },
            _ = retry.tick(), if !waiting.is_empty() => take_due(&mut waiting, state.now()),
        };
        let Some(rpc) = rpc.upgrade() else { break };
        for delivery in now_due {
            match admit(state, &rpc, delivery, relay_clock).await {
                Ok(Admission::Done) => {}
                Ok(Admission::Later(later)) if !later.has_share(&waiting) => later.refuse(state),
                Ok(Admission::Later(later)) if waiting.len() < DELIVERIES_MAX => waiting.push(later),
                Ok(Admission::Later(_)) => {
                    return Disconnect::lost("it sent more than the window allows");
                }
                Err(error) => return Disconnect::Lost(error),
            }
        }
    }
    std::future::pending().await
}

/// Takes the deliveries out whose time has come, in the order in which they arrived.
fn take_due(waiting: &mut Vec<WaitingDelivery>, now: UnixSeconds) -> Vec<Delivery> {
    waiting.extract_if(.., |later| later.at <= now).map(|later| later.delivery).collect()
}
