//! Reads a connection, one buffer at a time, and hands out the text frames in it.

use std::cell::OnceCell;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

use protocol::close::CloseCode;
use protocol::limits::FRAME_BYTES_MAX;
use websocket::{FrameDecoder, MessageDecoder as _, StreamEnd, Violation};

use super::read_buffer::ReadBuffer;
use super::text_frames::TextFrames;
use crate::hub::{Connection, ConnectionTurns, Hub, spare_buffers};

/// Size of a frame before registration: a record in base64 and the members around it.
const UNREGISTERED_FRAME_BYTES_MAX: usize = 96 * 1024;

pub(super) struct FrameReader {
    hub: Arc<Hub>,
    connection: Arc<Connection>,
    decoder: FrameDecoder,
    /// What was read and not decoded.
    input: Option<ReadBuffer>,
    /// A message that arrived in pieces and is for the next turn.
    next_assembled: Option<String>,
    /// The stream has ended. This takes effect when the frames before have been handled.
    end: Option<StreamEnd>,
    turns: ConnectionTurns,
    /// More is waiting, in `input` or in the socket, and others go first.
    busy: bool,
}

impl FrameReader {
    pub(super) fn new(hub: Arc<Hub>, connection: Arc<Connection>, leftover: &[u8]) -> Self {
        let turns = hub.turns_of(&connection.principal, connection.peer);
        Self {
            hub,
            connection,
            decoder: FrameDecoder::new(UNREGISTERED_FRAME_BYTES_MAX),
            input: (!leftover.is_empty()).then(|| ReadBuffer::of(leftover)),
            next_assembled: None,
            end: None,
            turns,
            busy: false,
        }
    }

    /// Waits for bytes to decode. False when the connection ends.
    pub(super) async fn fill(&mut self) -> bool {
        self.wait_for_turn().await;
        while !self.has_unread() {
            if !self.finish_read() || self.connection.is_closing() {
                return false;
            }
            self.wait_for_turn().await;
            self.read_once().await;
        }
        !self.connection.is_closing()
    }

    /// Waits if the connection is busy. What it has done so far is answered before.
    pub(super) async fn wait_for_turn(&mut self) {
        if std::mem::take(&mut self.busy) {
            self.hub.flush(std::slice::from_ref(&self.connection));
            self.turns.next().await;
        }
    }

    /// Ends the connection's turn: others go before it is read, or hands out frames, again.
    pub(super) fn end_turn(&mut self) {
        self.busy = true;
    }

    /// Whether there is something that was read and not handed out.
    pub(super) fn has_unread(&self) -> bool {
        self.input.is_some() || self.next_assembled.is_some()
    }

    /// The frames that were read. [`FrameReader::release`] has to be called after them.
    pub(super) fn frames<'a>(&'a mut self, assembled: &'a OnceCell<String>) -> TextFrames<'a> {
        self.decoder.set_buffer(spare_buffers::take);
        TextFrames {
            connection: &self.connection,
            decoder: &mut self.decoder,
            input: self.input.as_mut().map(ReadBuffer::unread).unwrap_or_default(),
            assembled,
            next_assembled: &mut self.next_assembled,
            end: &mut self.end,
            answers: Vec::new(),
        }
    }

    /// Gives back the buffers that are no longer needed. `unread` bytes were not decoded.
    pub(super) fn release(&mut self, unread: usize, assembled: Option<String>) {
        if let Some(input) = &mut self.input {
            let used = input.unread().len().saturating_sub(unread);
            input.advance(used);
            if input.is_empty() || self.end.is_some() {
                self.input = None;
            }
        }
        spare_buffers::give_back(assembled.unwrap_or_default().into_bytes());
        spare_buffers::give_back(self.decoder.take_buffer());
    }

    /// Accepts frames of the size that registered agents may send.
    pub(super) fn allow_large_frames(&mut self) {
        self.decoder.set_message_bytes_max(FRAME_BYTES_MAX);
    }

    /// Writes the answers to the last read and acts on the state it left. False at the end.
    fn finish_read(&self) -> bool {
        self.hub.flush(std::slice::from_ref(&self.connection));
        match self.end {
            None => true,
            Some(StreamEnd::Closed) => false,
            Some(StreamEnd::Violation(violation)) => {
                self.hub.close_connection(&self.connection, close_code(violation));
                false
            }
        }
    }

    async fn read_once(&mut self) {
        let Self { hub, connection, .. } = self;
        let read = poll_fn(|cx| {
            let now_ms = hub.now_ms();
            let read = ReadBuffer::poll_read(cx, connection, now_ms);
            if matches!(read, Poll::Ready(Ok(Some(_)))) {
                connection.mark_alive(now_ms);
            }
            read
        });
        match read.await {
            Ok(Some(buffer)) => {
                self.busy = buffer.is_full();
                self.input = Some(buffer);
            }
            Ok(None) | Err(_) => self.end = Some(StreamEnd::Closed),
        }
    }
}

/// The code that tells a client why its connection ends (docs/protocol.md, section 4).
const fn close_code(violation: Violation) -> CloseCode {
    match violation {
        Violation::TooBig => CloseCode::TooBig,
        Violation::Protocol | Violation::Binary | Violation::InvalidUtf8 => CloseCode::Malformed,
    }
}
