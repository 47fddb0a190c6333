//! A socket and the bytes that were taken from the write buffer and are not written completely.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::spare_buffers;

/// Any transport of a WebSocket: TCP, TLS, or a pipe in tests.
pub trait ByteStream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> ByteStream for T {}

pub(super) struct Socket {
    stream: Box<dyn ByteStream>,
    writing: Vec<u8>,
    written: usize,
    /// The socket accepted no more bytes, and the connection's own task continues the write.
    pub(super) blocked: bool,
}

impl Socket {
    pub(super) fn new(stream: Box<dyn ByteStream>) -> Self {
        Self { stream, writing: Vec::new(), written: 0, blocked: false }
    }

    /// The position in the bytes that are being written. A change means that the peer reads.
    pub(super) const fn written(&self) -> usize {
        self.written
    }

    /// Bytes that are being written and were not taken yet.
    pub(super) const fn unwritten(&self) -> usize {
        self.writing.len() - self.written
    }

    /// Writes and flushes everything that `take` returns, until that is empty.
    pub(super) fn poll_write_all(
        &mut self,
        cx: &mut Context<'_>,
        take: impl Fn() -> Vec<u8>,
    ) -> Poll<io::Result<()>> {
        loop {
            let Some(rest) = self.writing.get(self.written..).filter(|rest| !rest.is_empty()) else {
                spare_buffers::give_back(std::mem::replace(&mut self.writing, take()));
                self.written = 0;
                if self.writing.is_empty() {
                    return Pin::new(&mut self.stream).poll_flush(cx);
                }
                continue;
            };
            match Pin::new(&mut self.stream).poll_write(cx, rest) {
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Poll::Ready(Ok(count)) => self.written += count,
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    /// Reads into the buffer. `Ok(0)` is the end of the stream.
    pub(super) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<usize>> {
        match Pin::new(&mut self.stream).poll_read(cx, into) {
            Poll::Ready(Ok(())) => Poll::Ready(Ok(into.filled().len())),
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => Poll::Pending,
        }
    }

    pub(super) fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
