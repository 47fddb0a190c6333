//! A connection that any task may write to and that one task reads from.
//!
//! The task that appends bytes to the write buffer also writes them, so that forwarding a message
//! wakes no other task. Only when the socket accepts no more does the connection's own task
//! continue the write.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Context, Poll, Waker};

use futures::task::AtomicWaker;
use protocol::Did;
use protocol::close::CloseCode;
use tokio::io::ReadBuf;

use super::socket::{ByteStream, Socket};
use super::write_buffer::{SOFT_BYTES_MAX, WriteBuffer};
use crate::core::ConnId;
use crate::directory::Principal;

pub(crate) struct Connection {
    pub(crate) id: ConnId,
    pub(crate) principal: Principal,
    pub(crate) peer: SocketAddr,
    /// Set once, by the registration.
    pub(crate) did: OnceLock<Did>,
    buffer: Mutex<WriteBuffer>,
    socket: Mutex<Socket>,
    /// The task that reads.
    task: AtomicWaker,
    /// Whether the connection is in the hub's list of connections to flush.
    dirty: AtomicBool,
    aborted: AtomicBool,
    /// Hub milliseconds of the last sign of life: a byte that was read, or bytes that a blocked
    /// socket took, because the peer read what stood before them.
    alive_ms: AtomicU64,
    /// Hub milliseconds since when the socket accepts no bytes, or 0 if it accepts them.
    blocked_ms: AtomicU64,
}

impl Connection {
    pub(crate) fn new(
        id: ConnId,
        stream: Box<dyn ByteStream>,
        principal: Principal,
        peer: SocketAddr,
        now_ms: u64,
    ) -> Self {
        Self {
            id,
            principal,
            peer,
            did: OnceLock::new(),
            buffer: Mutex::default(),
            socket: Mutex::new(Socket::new(stream)),
            task: AtomicWaker::new(),
            dirty: AtomicBool::new(false),
            aborted: AtomicBool::new(false),
            alive_ms: AtomicU64::new(now_ms),
            blocked_ms: AtomicU64::new(0),
        }
    }

    /// Appends a text frame with the payload that `write` appends.
    pub(crate) fn push_text(&self, write: impl FnOnce(&mut Vec<u8>)) {
        self.buffer().push_text(write);
    }

    pub(crate) fn push_ping(&self) {
        self.buffer().push_ping();
    }

    pub(crate) fn push_frames(&self, frames: &[u8]) {
        self.buffer().push_frames(frames);
    }

    /// Appends a close frame; what was appended before is still written. False if the connection
    /// is closing already.
    pub(crate) fn close(&self, code: CloseCode) -> bool {
        let first = self.buffer().push_close(code);
        if first {
            tracing::debug!(conn = self.id.0, peer = %self.peer, code = code.number(), "closing a connection");
        }
        first
    }

    /// Drops what the socket has not begun to take, so that a close frame comes next.
    pub(crate) fn discard_unsent(&self) {
        self.buffer().discard();
    }

    /// Ends the connection without a close frame, because the socket does not take one.
    pub(crate) fn abort(&self) {
        self.aborted.store(true, Ordering::Release);
        self.task.wake();
    }

    pub(crate) fn is_closing(&self) -> bool {
        self.aborted.load(Ordering::Acquire) || self.buffer().is_closing()
    }

    /// Whether so many bytes wait that a best-effort frame is better left out.
    pub(crate) fn is_congested(&self) -> bool {
        self.buffer().len() > SOFT_BYTES_MAX
    }

    /// Bytes in memory that the socket has not taken.
    pub(crate) fn unsent_bytes(&self) -> usize {
        self.socket().unwritten() + self.buffer().len()
    }

    /// True for the first call since the last flush.
    pub(crate) fn mark_dirty(&self) -> bool {
        !self.dirty.swap(true, Ordering::AcqRel)
    }

    pub(crate) fn mark_alive(&self, now_ms: u64) {
        self.alive_ms.store(now_ms, Ordering::Relaxed);
    }

    /// How long ago the last sign of life was.
    pub(crate) fn idle_ms(&self, now_ms: u64) -> u64 {
        now_ms.saturating_sub(self.alive_ms.load(Ordering::Relaxed))
    }

    /// How long the socket has accepted no bytes.
    pub(crate) fn blocked_for_ms(&self, now_ms: u64) -> u64 {
        match self.blocked_ms.load(Ordering::Relaxed) {
            0 => 0,
            since => now_ms.saturating_sub(since),
        }
    }

    /// Writes what the socket accepts now, without waiting. True if the socket has just stopped
    /// accepting bytes; the connection's own task then writes the rest.
    pub(crate) fn flush(&self, now_ms: u64) -> bool {
        self.dirty.store(false, Ordering::Release);
        let mut socket = self.socket();
        if socket.blocked {
            if self.is_closing() {
                // The task may wait for the peer to send or to read. It has to write the close
                // frame.
                self.task.wake();
            }
            return false;
        }
        let mut no_task = Context::from_waker(Waker::noop());
        match socket.poll_write_all(&mut no_task, || self.buffer().take()) {
            Poll::Ready(Ok(())) if !self.is_closing() => {}
            Poll::Ready(Ok(())) => self.task.wake(),
            Poll::Ready(Err(_)) => self.abort(),
            Poll::Pending => {
                socket.blocked = true;
                self.blocked_ms.store(now_ms.max(1), Ordering::Relaxed);
                drop(socket);
                self.task.wake();
                return true;
            }
        }
        false
    }

    /// For the connection's own task: continues a blocked write, then reads. `Ok(0)` is the end.
    pub(crate) fn poll_read(
        &self,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
        now_ms: u64,
    ) -> Poll<io::Result<usize>> {
        self.task.register(cx.waker());
        if self.aborted.load(Ordering::Acquire) {
            return Poll::Ready(Ok(0));
        }
        let mut socket = self.socket();
        if socket.blocked {
            self.continue_write(&mut socket, cx, now_ms)?;
        }
        let (closing, overflowed, waiting) = {
            let buffer = self.buffer();
            (buffer.is_closing(), buffer.has_overflowed(), buffer.len())
        };
        if closing || overflowed {
            // `poll_flush` writes the last bytes.
            return Poll::Ready(Ok(0));
        }
        if socket.blocked && waiting > SOFT_BYTES_MAX {
            // Backpressure: nothing is read until the peer has read.
            return Poll::Pending;
        }
        socket.poll_read(cx, into)
    }

    fn continue_write(&self, socket: &mut Socket, cx: &mut Context<'_>, now_ms: u64) -> io::Result<()> {
        let before = socket.written();
        let poll = socket.poll_write_all(cx, || self.buffer().take());
        let unblocked = poll.is_ready();
        if let Poll::Ready(result) = poll {
            result?;
        }
        if unblocked || socket.written() != before {
            socket.blocked = !unblocked;
            self.blocked_ms.store(if unblocked { 0 } else { now_ms.max(1) }, Ordering::Relaxed);
            self.mark_alive(now_ms);
        }
        Ok(())
    }

    /// Writes the last bytes of a connection that is closing.
    pub(crate) fn poll_flush(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.aborted.load(Ordering::Acquire) {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        self.socket().poll_write_all(cx, || self.buffer().take())
    }

    pub(crate) fn poll_shutdown(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.socket().poll_shutdown(cx)
    }

    fn buffer(&self) -> MutexGuard<'_, WriteBuffer> {
        self.buffer.lock().unwrap_or_else(|poisoned| self.abort_poisoned(poisoned))
    }

    fn socket(&self) -> MutexGuard<'_, Socket> {
        self.socket.lock().unwrap_or_else(|poisoned| self.abort_poisoned(poisoned))
    }

    /// A panic under this lock can leave half a frame in the stream. That concerns this connection
    /// only, so it ends and the process continues.
    fn abort_poisoned<G>(&self, poisoned: PoisonError<G>) -> G {
        self.abort();
        poisoned.into_inner()
    }
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connection").field("id", &self.id).field("peer", &self.peer).finish_non_exhaustive()
    }
}
