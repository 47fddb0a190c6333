//! Reads a connection and decodes the bytes into text frames.

use std::cell::RefCell;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

use tokio::io::ReadBuf;
use tokio_tungstenite::tungstenite::Utf8Bytes;

use super::websocket_codec::{StreamState, WebSocketCodec};
use crate::hub::{Connection, Hub};

/// Bytes of one read. All connections of a thread share the buffer, so an idle connection has none.
const READ_BUFFER_BYTES: usize = 64 * 1024;
/// Reads in a row before other connections get a turn: 256 KiB.
const READS_PER_TURN: u32 = 4;

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
    reads: u32,
}

impl FrameReader {
    pub(super) fn new(hub: Arc<Hub>, connection: Arc<Connection>, leftover: &[u8]) -> Self {
        let (mut codec, mut frames) = (WebSocketCodec::new(), Vec::new());
        let state = decode(&mut codec, &connection, leftover, &mut frames);
        Self { hub, connection, codec, frames, state, reads: 0 }
    }

    /// The next frames, at least one. `None` when the connection ends.
    pub(super) async fn next_frames(&mut self) -> Option<Vec<Utf8Bytes>> {
        while self.frames.is_empty() {
            if !self.finish_read() || self.connection.is_closing() {
                return None;
            }
            if self.reads != 0 && self.reads.is_multiple_of(READS_PER_TURN) {
                tokio::task::yield_now().await;
            }
            self.read_once().await;
            self.reads = self.reads.wrapping_add(1);
        }
        let open = !self.connection.is_closing();
        open.then(|| std::mem::take(&mut self.frames))
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
        let Self { hub, connection, codec, frames, .. } = self;
        self.state = poll_fn(|cx| {
            READ_BUFFER.with_borrow_mut(|buffer| {
                let mut buffer = ReadBuf::new(buffer);
                let now_ms = hub.now_ms();
                match connection.poll_read(cx, &mut buffer, now_ms) {
                    Poll::Pending => Poll::Pending,
                    Poll::Ready(Ok(1..)) => {
                        connection.mark_alive(now_ms);
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
