//! Runs one registered session: reading, writing and admission concurrently, until one of them
//! ends.
//!
//! Reading never waits for writing. Requests and acknowledgements stay in their tables (outbox,
//! acknowledgement tracker) until a short queue of frames has a free slot.

use std::sync::Arc;
use std::time::Duration;

use futures::stream::SplitSink;
use futures::{SinkExt as _, StreamExt as _};
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::Message;

use super::dial::Socket;
use super::disconnect::Disconnect;
use super::handshake::RegisteredSession;
use super::request_queue::RequestQueue;
use super::session_driver::SessionDriver;
use crate::agent_state::AgentState;
use crate::connection_state::{ConnectionState, Session};
use crate::delivery::admission::{Delivery, admit};
use crate::rpc::WeakRpcClient;

/// Frames between driver and socket: enough to keep the socket busy, few enough that order and
/// memory stay with the outbox.
const FRAMES_MAX: usize = 16;
/// Deliveries between socket and admission: a full window (256), and as many ephemeral ones.
const DELIVERIES_MAX: usize = 512;
/// How long one frame may take to be written. A relay that accepts nothing for longer is gone.
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);

pub(super) async fn run(
    state: &Arc<AgentState>,
    rpc: &WeakRpcClient,
    requests: &mut RequestQueue,
    registered: RegisteredSession,
) -> Disconnect {
    let RegisteredSession { socket, result } = registered;
    let epoch = result.epoch;
    state.acknowledgements.start_epoch(epoch);
    requests.outbox.reconnected();
    tracing::info!(
        agent.did = %state.config.did,
        session.epoch = epoch,
        mailbox.pending = result.pending,
        "registered"
    );
    let session = Session { epoch, tenant: result.tenant, window: result.window, pending: result.pending };
    state.connection.send_replace(ConnectionState::Online(session));

    let (sink, stream) = socket.split();
    let (frames, queued_frames) = mpsc::channel(FRAMES_MAX);
    let (deliveries, queued_deliveries) = mpsc::channel(DELIVERIES_MAX);
    let driver = SessionDriver::new(Arc::clone(state), requests, epoch, frames, deliveries);
    tokio::select! {
        disconnect = driver.run(stream) => disconnect,
        disconnect = write_frames(sink, queued_frames) => disconnect,
        disconnect = admit_deliveries(state, rpc, queued_deliveries) => disconnect,
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
) -> Disconnect {
    while let Some(delivery) = queued.recv().await {
        let Some(rpc) = rpc.upgrade() else { break };
        if let Err(error) = admit(state, &rpc, delivery).await {
            return Disconnect::Lost(error);
        }
    }
    std::future::pending().await
}
