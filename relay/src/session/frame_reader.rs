//! Reads a connection and decodes the bytes into text frames.

use std::cell::RefCell;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

use tokio::io::ReadBuf;
use tokio_tungstenite::tungstenite::Utf8Bytes;

use super::websocket_codec::{StreamState, WebSocketCodec};
use crate::hub::{Connection, ConnectionTurns, Hub};

/// Bytes of one read. All connections of a thread share the buffer, so an idle connection has none.
const READ_BUFFER_BYTES: usize = 64 * 1024;

thread_local! {
    static READ_BUFFER: RefCell<Box<[u8]>> = RefCell::new(vec![0; READ_BUFFER_BYTES].into_boxed_slice());
}

pub(super) struct FrameReader {
    hub: Arc<Hub>,
    connection: Arc<Connection>,
    codec: WebSocketCodec,
    frames: Vec<Utf8Bytes>,
    /// The state of the stream after the last read. It takes effect when the frames of that read
    /// have been handled.
    state: StreamState,
    turns: ConnectionTurns,
    /// More is waiting, in `frames` or in the socket, and others go first.
    busy: bool,
}

impl FrameReader {
    pub(super) fn new(hub: Arc<Hub>, connection: Arc<Connection>, leftover: &[u8]) -> Self {
        let (mut codec, mut frames) = (WebSocketCodec::new(), Vec::new());
        let state = decode(&mut codec, &connection, leftover, &mut frames);
        let turns = hub.turns_of(&connection.principal, connection.peer);
        Self { hub, connection, codec, frames, state, turns, busy: false }
    }

    /// The next frames, at least one. `None` when the connection ends.
    pub(super) async fn next_frames(&mut self) -> Option<Vec<Utf8Bytes>> {
        self.wait_for_turn().await;
        while self.frames.is_empty() {
            if !self.finish_read() || self.connection.is_closing() {
                return None;
            }
            self.wait_for_turn().await;
            self.read_once().await;
        }
        let open = !self.connection.is_closing();
        open.then(|| std::mem::take(&mut self.frames))
    }

    /// Waits if the connection is busy. What it has done so far is answered before.
    pub(super) async fn wait_for_turn(&mut self) {
        if std::mem::take(&mut self.busy) {
            self.hub.flush(std::slice::from_ref(&self.connection));
            self.turns.next().await;
        }
    }

    /// Ends the connection's turn: others go before it is read, or handed frames, again.
    pub(super) fn end_turn(&mut self) {
        self.busy = true;
    }

    /// Gives back frames that were not handled, to be returned first.
    pub(super) fn put_back(&mut self, frames: Vec<Utf8Bytes>) {
        self.frames = frames;
    }

    /// Accepts frames of the size that registered agents may send.
    pub(super) fn allow_large_frames(&mut self) {
        self.codec.allow_large_frames();
    }

    /// Writes the answers to the last read and acts on the state it left. False at the end.
    fn finish_read(&self) -> bool {
        self.hub.flush(std::slice::from_ref(&self.connection));
        match self.state {
            StreamState::Open => true,
            StreamState::Closed => false,
            StreamState::Broken(code) => {
                self.hub.close_connection(&self.connection, code);
                false
            }
        }
    }

    async fn read_once(&mut self) {
        let Self { hub, connection, codec, frames, busy, .. } = self;
        self.state = poll_fn(|cx| {
            READ_BUFFER.with_borrow_mut(|buffer| {
                let mut buffer = ReadBuf::new(buffer);
                let now_ms = hub.now_ms();
                match connection.poll_read(cx, &mut buffer, now_ms) {
                    Poll::Pending => Poll::Pending,
                    Poll::Ready(Ok(1..)) => {
                        connection.mark_alive(now_ms);
                        // As much as one read takes: there may be more.
                        *busy = buffer.remaining() == 0;
                        Poll::Ready(decode(codec, connection, buffer.filled(), frames))
                    }
                    Poll::Ready(_) => Poll::Ready(StreamState::Closed),
                }
            })
        })
        .await;
    }
}

/// Decodes bytes into frames, and appends the pongs and close frames they call for to the write
/// buffer.
fn decode(
    codec: &mut WebSocketCodec,
    connection: &Connection,
    bytes: &[u8],
    frames: &mut Vec<Utf8Bytes>,
) -> StreamState {
    let mut out = Vec::new();
    let state = codec.decode(bytes, frames, &mut out);
    if !out.is_empty() {
        connection.push_frames(&out);
    }
    state
}
