//! Runs one link: reading and writing concurrently, until one of them ends.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use futures::stream::SplitSink;
use futures::{SinkExt as _, StreamExt as _};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::Message;

use super::greeting::{GreetedLink, LinkSocket};
use super::link_driver::LinkDriver;
use super::peer_event::{LINK_ORDERS_MAX, LinkHandle, PeerEvent};
use super::shared::Shared;

/// Frames between driver and socket: enough to keep the socket busy.
const LINK_FRAMES_MAX: usize = 16;
/// How long one frame may take to be written. A peer that accepts nothing for longer is gone.
const LINK_WRITE_TIMEOUT: Duration = Duration::from_secs(10);

/// Runs the link to its end, and tells the task of its peer.
pub(super) async fn run(shared: Arc<Shared>, greeted: GreetedLink, events: mpsc::Sender<PeerEvent>) {
    let _live = shared.open_link(&greeted.record);
    let id = shared.next_link();
    let (orders, queued_orders) = mpsc::channel(LINK_ORDERS_MAX);
    let now = u64::try_from(shared.now().as_millis()).unwrap_or(u64::MAX);
    let heard = Arc::new(AtomicU64::new(now));
    let GreetedLink { socket, record, own_record, window, window_bytes } = greeted;
    let peer = record.did.clone();
    let (opened, link_heard) = (Instant::now(), Arc::clone(&heard));
    let handle = LinkHandle { id, orders, window, window_bytes, heard: link_heard, opened };
    if events.send(PeerEvent::Linked(handle)).await.is_err() {
        return;
    }
    tracing::info!(peer.did = %peer, link = id, "connected directly");
    let (sink, stream) = socket.split();
    let (frames, queued) = mpsc::channel(LINK_FRAMES_MAX);
    let driver = LinkDriver::new(Arc::clone(&shared), id, record, own_record, heard, events.clone(), frames);
    tokio::select! {
        () = driver.run(stream, queued_orders) => {}
        () = write_frames(sink, queued) => {}
    }
    tracing::info!(peer.did = %peer, link = id, "a direct connection ended");
    // The task of the peer may have ended.
    let _ = events.send(PeerEvent::LinkEnded(id)).await;
}

/// Writes frames in order. Ends after a close frame, and when the connection is broken.
async fn write_frames(mut sink: SplitSink<LinkSocket, Message>, mut queued: mpsc::Receiver<Message>) {
    while let Some(frame) = queued.recv().await {
        let closing = matches!(frame, Message::Close(_));
        // Frames that are queued already go out in one write.
        let more = !queued.is_empty() && !closing;
        let write = async { if more { sink.feed(frame).await } else { sink.send(frame).await } };
        let written = tokio::time::timeout(LINK_WRITE_TIMEOUT, write).await;
        if closing || !matches!(written, Ok(Ok(()))) {
            return;
        }
    }
    // The driver has ended.
    std::future::pending().await
}
