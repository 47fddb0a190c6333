//! The buffer that a connection reads into. It holds one only while it has bytes to decode.

use std::cell::RefCell;
use std::io;
use std::ops::Range;
use std::task::{Context, Poll, ready};

use tokio::io::ReadBuf;

use crate::hub::Connection;

/// Bytes of one read.
const READ_BUFFER_BYTES: usize = 64 * 1024;
/// Read buffers that one thread keeps: for the connection that is read, and some of those that wait
/// for their turn. More are freed.
const SPARE_READ_BUFFERS_MAX: usize = 8;

thread_local! {
    static SPARE_READ_BUFFERS: RefCell<Vec<Box<[u8]>>> = const { RefCell::new(Vec::new()) };
}

pub(super) struct ReadBuffer {
    bytes: Box<[u8]>,
    /// The bytes that were read and not decoded.
    unread: Range<usize>,
}

impl ReadBuffer {
    /// A buffer with these bytes.
    pub(super) fn of(bytes: &[u8]) -> Self {
        Self { bytes: bytes.into(), unread: 0..bytes.len() }
    }

    /// Reads into an empty buffer. `None` at the end of the stream.
    pub(super) fn poll_read(
        cx: &mut Context<'_>,
        connection: &Connection,
        now_ms: u64,
    ) -> Poll<io::Result<Option<Self>>> {
        let spare = SPARE_READ_BUFFERS.with_borrow_mut(Vec::pop);
        let bytes = spare.unwrap_or_else(|| vec![0; READ_BUFFER_BYTES].into_boxed_slice());
        let mut buffer = Self { bytes, unread: 0..0 };
        let mut into = ReadBuf::new(&mut buffer.bytes);
        buffer.unread.end = ready!(connection.poll_read(cx, &mut into, now_ms))?;
        Poll::Ready(Ok((!buffer.unread.is_empty()).then_some(buffer)))
    }

    /// The bytes that were not decoded. [`ReadBuffer::advance`] says how many were.
    pub(super) fn unread(&mut self) -> &mut [u8] {
        self.bytes.get_mut(self.unread.clone()).unwrap_or_default()
    }

    pub(super) fn advance(&mut self, count: usize) {
        self.unread.start += count;
    }

    /// Whether the read took as much as one read takes, so that there may be more.
    pub(super) fn is_full(&self) -> bool {
        self.unread.end == self.bytes.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.unread.is_empty()
    }
}

impl Drop for ReadBuffer {
    fn drop(&mut self) {
        let bytes = std::mem::take(&mut self.bytes);
        SPARE_READ_BUFFERS.with_borrow_mut(|spare| {
            if bytes.len() == READ_BUFFER_BYTES && spare.len() < SPARE_READ_BUFFERS_MAX {
                spare.push(bytes);
            }
        });
    }
}
