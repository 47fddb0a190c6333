//! A socket that anybody may write to and one task reads from.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Context, Poll, Waker};

use futures::task::AtomicWaker;
use protocol::Did;
use protocol::close::CloseCode;
use tokio::io::{AsyncRead as _, AsyncWrite as _, ReadBuf};

use super::Stream;
use super::outgoing::{Outgoing, SOFT_BYTES};
use crate::core::ConnId;
use crate::directory::Principal;

pub(crate) struct Connection {
    pub(crate) id: ConnId,
    pub(crate) principal: Principal,
    pub(crate) peer: SocketAddr,
    /// Set once, by the registration.
    pub(crate) did: OnceLock<Did>,
    out: Mutex<Outgoing>,
    io: Mutex<Io>,
    /// The task that reads.
    task: AtomicWaker,
    /// In the hub's list of connections to flush.
    dirty: AtomicBool,
    dead: AtomicBool,
    /// Hub milliseconds of the last byte that came.
    heard_ms: AtomicU64,
    /// Hub milliseconds since when the socket takes nothing; 0 if it does.
    blocked_ms: AtomicU64,
}

struct Io {
    stream: Box<dyn Stream>,
    /// Taken from the out-buffer and partly written.
    writing: Vec<u8>,
    written: usize,
    /// The socket is full; the connection's own task goes on.
    blocked: bool,
}

impl Connection {
    pub(crate) fn new(
        id: ConnId,
        stream: Box<dyn Stream>,
        principal: Principal,
        peer: SocketAddr,
        now_ms: u64,
    ) -> Self {
        Self {
            id,
            principal,
            peer,
            did: OnceLock::new(),
            out: Mutex::default(),
            io: Mutex::new(Io { stream, writing: Vec::new(), written: 0, blocked: false }),
            task: AtomicWaker::new(),
            dirty: AtomicBool::new(false),
            dead: AtomicBool::new(false),
            heard_ms: AtomicU64::new(now_ms),
            blocked_ms: AtomicU64::new(0),
        }
    }

    pub(crate) fn push_text(&self, payload: &[u8]) {
        self.out().push_text(payload);
    }

    pub(crate) fn push_ping(&self) {
        self.out().push_ping();
    }

    pub(super) fn push_frames(&self, frames: &[u8]) {
        self.out().push_frames(frames);
    }

    /// Says goodbye; what was pushed before is still written. False if it is closing already.
    pub(crate) fn close(&self, code: CloseCode) -> bool {
        let first = self.out().push_close(code);
        if first {
            tracing::debug!(conn = self.id.0, peer = %self.peer, code = code.number(), "closing a connection");
        }
        first
    }

    /// Ends without a word, because the other side takes or says nothing any more.
    pub(crate) fn kill(&self) {
        self.dead.store(true, Ordering::Release);
        self.task.wake();
    }

    pub(crate) fn is_closing(&self) -> bool {
        self.dead.load(Ordering::Acquire) || self.out().is_closing()
    }

    /// Whether a best-effort frame should rather not be added.
    pub(crate) fn is_crowded(&self) -> bool {
        self.out().len() > SOFT_BYTES
    }

    /// True for the first of several since the last flush.
    pub(crate) fn mark_dirty(&self) -> bool {
        !self.dirty.swap(true, Ordering::AcqRel)
    }

    pub(crate) fn heard(&self, now_ms: u64) {
        self.heard_ms.store(now_ms, Ordering::Relaxed);
    }

    pub(crate) fn silent_ms(&self, now_ms: u64) -> u64 {
        now_ms.saturating_sub(self.heard_ms.load(Ordering::Relaxed))
    }

    /// How long the socket has taken nothing.
    pub(crate) fn blocked_for_ms(&self, now_ms: u64) -> u64 {
        match self.blocked_ms.load(Ordering::Relaxed) {
            0 => 0,
            since => now_ms.saturating_sub(since),
        }
    }

    /// Writes what the socket takes now, without waiting. True: from now on it takes nothing, and the rest is left to the
    /// connection's own task.
    pub(crate) fn flush(&self, now_ms: u64) -> bool {
        self.dirty.store(false, Ordering::Release);
        let mut io = self.io();
        if io.blocked {
            return false;
        }
        let mut nobody = Context::from_waker(Waker::noop());
        match self.write_out(&mut io, &mut nobody) {
            Poll::Ready(Ok(())) if !self.is_closing() => {}
            Poll::Ready(Ok(())) => self.task.wake(),
            Poll::Ready(Err(_)) => self.kill(),
            Poll::Pending => {
                io.blocked = true;
                self.blocked_ms.store(now_ms.max(1), Ordering::Relaxed);
                drop(io);
                self.task.wake();
                return true;
            }
        }
        false
    }

    /// The own task's turn: goes on writing if the socket was full, then reads. `Ok(0)` is the end.
    pub(super) fn poll_turn(
        &self,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
        now_ms: u64,
    ) -> Poll<io::Result<usize>> {
        self.task.register(cx.waker());
        if self.dead.load(Ordering::Acquire) {
            return Poll::Ready(Ok(0));
        }
        let mut io = self.io();
        if io.blocked {
            let before = io.written;
            match self.write_out(&mut io, cx) {
                Poll::Ready(result) => {
                    result?;
                    io.blocked = false;
                    self.blocked_ms.store(0, Ordering::Relaxed);
                }
                Poll::Pending if io.written != before => {
                    self.blocked_ms.store(now_ms.max(1), Ordering::Relaxed);
                }
                Poll::Pending => {}
            }
        }
        let (closing, waiting) = {
            let out = self.out();
            if out.has_overflowed() {
                return Poll::Ready(Ok(0));
            }
            (out.is_closing(), out.len())
        };
        if closing {
            // The last bytes are written by `poll_last`.
            return Poll::Ready(Ok(0));
        }
        if io.blocked && waiting > SOFT_BYTES {
            // Nothing is read until the other side has read.
            return Poll::Pending;
        }
        match Pin::new(&mut io.stream).poll_read(cx, into) {
            Poll::Ready(Ok(())) => Poll::Ready(Ok(into.filled().len())),
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => Poll::Pending,
        }
    }

    /// Writes the last bytes of a connection that closes.
    pub(super) fn poll_last(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.dead.load(Ordering::Acquire) {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        self.write_out(&mut self.io(), cx)
    }

    pub(super) fn poll_shutdown(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io().stream).poll_shutdown(cx)
    }

    fn write_out(&self, io: &mut Io, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            let Some(rest) = io.writing.get(io.written..).filter(|rest| !rest.is_empty()) else {
                io.writing = self.out().take();
                io.written = 0;
                if io.writing.is_empty() {
                    return Pin::new(&mut io.stream).poll_flush(cx);
                }
                continue;
            };
            match Pin::new(&mut io.stream).poll_write(cx, rest) {
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Poll::Ready(Ok(count)) => io.written += count,
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    fn out(&self) -> MutexGuard<'_, Outgoing> {
        self.out.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn io(&self) -> MutexGuard<'_, Io> {
        self.io.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connection").field("id", &self.id).field("peer", &self.peer).finish_non_exhaustive()
    }
}
