//! One registered session: reading, writing and letting messages in run side by side, in one task, until one of them ends.
//!
//! Reading never waits for writing: requests and acknowledgements are written when there is room in a short queue, and are
//! kept as state (outbox, ledger) until then.

use std::time::Duration;

use futures::stream::SplitSink;
use futures::{SinkExt as _, StreamExt as _};
use protocol::limits::IDLE_TIMEOUT;
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::Message;

use super::dial::Socket;
use super::ending::Ending;
use super::handshake::Registered;
use super::{Connection, Link, Session};
use crate::call::WeakCaller;
use crate::inbox::admit::{Delivery, admit};
use crate::shared::Shared;
use crate::{Error, ErrorKind};

mod desk;

/// Frames between the desk and the socket: enough to keep the socket busy, few enough that order and memory stay with the outbox.
const FRAMES_MAX: usize = 16;
/// Deliveries between the socket and the inbox: a full window (256), and as many ephemeral ones.
const DELIVERIES_MAX: usize = 512;
/// Time for one frame to leave; a relay that takes nothing for that long is gone.
const WRITE_DEADLINE: Duration = Duration::from_secs(30);

pub(super) async fn serve(connection: &mut Connection, registered: Registered) -> Ending {
    let Registered { socket, result } = registered;
    let shared = connection.shared.clone();
    shared.acks.begin(result.epoch);
    connection.outbox.reconnected();
    let session = Session {
        epoch: result.epoch,
        tenant: result.tenant,
        window: result.window,
        pending: result.pending,
    };
    tracing::info!(agent.did = %shared.config.did, session.epoch = session.epoch, mailbox.pending = session.pending, "registered");
    shared.link.send_replace(Link::Online(session));

    let (sink, stream) = socket.split();
    let (frames, queued) = mpsc::channel(FRAMES_MAX);
    let (deliveries, delivered) = mpsc::channel(DELIVERIES_MAX);
    let caller = connection.caller.clone();
    let desk = desk::Desk::new(connection, result.epoch, frames, deliveries);
    tokio::select! {
        ending = desk.serve(stream) => ending,
        ending = write_all(sink, queued) => ending,
        ending = admit_all(&shared, &caller, delivered) => ending,
    }
}

/// Writes frames in order; ends after a close frame.
async fn write_all(mut sink: SplitSink<Socket, Message>, mut queued: mpsc::Receiver<Message>) -> Ending {
    while let Some(frame) = queued.recv().await {
        let closing = matches!(frame, Message::Close(_));
        // Frames that are there already go out in one write.
        let more = !queued.is_empty() && !closing;
        let write = async { if more { sink.feed(frame).await } else { sink.send(frame).await } };
        match tokio::time::timeout(WRITE_DEADLINE, write).await {
            Err(_) => return lost("it took no bytes for 30 s"),
            Ok(Err(_)) if closing => return Ending::Closed,
            Ok(Err(e)) => return lost(e),
            Ok(Ok(())) if closing => return Ending::Closed,
            Ok(Ok(())) => {}
        }
    }
    // The desk has ended, and its ending is the one that counts.
    std::future::pending().await
}

async fn admit_all(shared: &Shared, caller: &WeakCaller, mut delivered: mpsc::Receiver<Delivery>) -> Ending {
    while let Some(delivery) = delivered.recv().await {
        let Some(caller) = caller.upgrade() else { break };
        if let Err(error) = admit(shared, &caller, delivery).await {
            return Ending::Lost(error);
        }
    }
    std::future::pending().await
}

fn lost(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Ending {
    Ending::Lost(Error::new(ErrorKind::Connect, "the connection to the relay broke").caused_by(cause))
}

/// Silence for that long means that the relay is gone: it pings three times in it.
fn silence() -> Ending {
    lost(format!("nothing came from it for {} s", IDLE_TIMEOUT.as_secs()))
}
