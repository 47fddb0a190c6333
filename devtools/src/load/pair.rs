//! Drives one sender and one recipient on their two connections: fills the window and reads what
//! arrives until the round ends.

use std::cell::RefCell;
use std::io::ErrorKind;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use hdrhistogram::Histogram;
use tokio::net::TcpStream;

use super::codec::{Codec, Consumed};
use super::window::Window;

/// Bytes read at once: larger than a whole window of 1 KiB messages.
const READ_BYTES: usize = 64 * 1024;
/// Bytes of a frame that is still incomplete. More means that the codec does not understand them.
const PARTIAL_BYTES_MAX: usize = 2 * 1024 * 1024;

/// The counts of all pairs of a round. They run on one thread.
#[derive(Debug)]
pub struct MessageCounts {
    /// Messages done, warm-up included.
    pub done: u64,
    /// Answers `stored` among them.
    pub stored: u64,
    /// Whether latencies are recorded.
    pub recording: bool,
    /// Send no more; end when nothing is in flight.
    pub stopping: bool,
    /// Microseconds.
    pub latency: Histogram<u64>,
}

/// One end of a pair.
struct End {
    stream: TcpStream,
    input: Vec<u8>,
    output: Vec<u8>,
}

pub struct Pair {
    sender: End,
    recipient: End,
    codec: Box<dyn Codec>,
    window: Window,
    counts: Rc<RefCell<MessageCounts>>,
}

impl Pair {
    #[must_use]
    pub fn new(
        (sender, recipient): (TcpStream, TcpStream),
        codec: Box<dyn Codec>,
        window: Window,
        counts: Rc<RefCell<MessageCounts>>,
    ) -> Self {
        Self { sender: End::new(sender), recipient: End::new(recipient), codec, window, counts }
    }

    /// Messages sent, all of them done, when `stopping` is set.
    ///
    /// # Errors
    /// A closed connection, and whatever the codec or the window does not accept.
    pub async fn run(mut self) -> anyhow::Result<u64> {
        let mut buffer = vec![0; READ_BYTES];
        loop {
            if !self.counts.borrow().stopping {
                self.fill();
            } else if self.window.is_idle() {
                return Ok(self.window.sent());
            }
            self.sender.flush().context("write to the sender's connection")?;
            self.recipient.flush().context("write to the recipient's connection")?;
            tokio::select! {
                biased;
                ready = self.recipient.stream.readable() => { ready?; self.read_recipient(&mut buffer)?; }
                ready = self.sender.stream.readable() => { ready?; self.read_sender(&mut buffer)?; }
                ready = self.sender.stream.writable(), if self.sender.is_behind() => ready?,
                ready = self.recipient.stream.writable(), if self.recipient.is_behind() => ready?,
            }
        }
    }

    fn fill(&mut self) {
        let now = Instant::now();
        for _ in 0..self.window.room() {
            self.codec.message(self.window.sent(), &mut self.sender.output);
            self.window.send(now);
        }
    }

    fn read_recipient(&mut self, buffer: &mut [u8]) -> anyhow::Result<()> {
        let codec = &mut self.codec;
        let consumed = self.recipient.read(buffer, |input, reply| codec.at_recipient(input, reply))?;
        self.book(consumed, Window::arrive)
    }

    fn read_sender(&mut self, buffer: &mut [u8]) -> anyhow::Result<()> {
        let codec = &mut self.codec;
        let consumed = self.sender.read(buffer, |input, reply| codec.at_sender(input, reply))?;
        self.book(consumed, Window::answer)
    }

    fn book(
        &mut self,
        consumed: Consumed,
        enter: impl FnOnce(&mut Window, u64, Instant, &mut dyn FnMut(Duration)) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let before = self.window.done();
        let mut counts = self.counts.borrow_mut();
        let MessageCounts { recording, latency, .. } = &mut *counts;
        enter(&mut self.window, consumed.count, Instant::now(), &mut |took| {
            if *recording {
                latency.saturating_record(u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
            }
        })?;
        counts.done += self.window.done() - before;
        counts.stored += consumed.stored;
        Ok(())
    }
}

impl End {
    fn new(stream: TcpStream) -> Self {
        Self { stream, input: Vec::with_capacity(READ_BYTES), output: Vec::with_capacity(READ_BYTES) }
    }

    fn is_behind(&self) -> bool {
        !self.output.is_empty()
    }

    /// Writes as much as the socket takes.
    fn flush(&mut self) -> std::io::Result<()> {
        while self.is_behind() {
            match self.stream.try_write(&self.output) {
                Ok(written) => drop(self.output.drain(..written)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Reads once and lets `take` count; what it leaves waits for the rest.
    fn read(
        &mut self,
        buffer: &mut [u8],
        take: impl FnOnce(&[u8], &mut Vec<u8>) -> anyhow::Result<Consumed>,
    ) -> anyhow::Result<Consumed> {
        let length = match self.stream.try_read(buffer) {
            Ok(0) => bail!("the server closed the connection"),
            Ok(length) => length,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(Consumed::default()),
            Err(error) => return Err(error).context("read from the server"),
        };
        self.input.extend_from_slice(buffer.get(..length).unwrap_or_default());
        let consumed = take(&self.input, &mut self.output)?;
        self.input.drain(..consumed.bytes);
        if self.input.len() > PARTIAL_BYTES_MAX {
            bail!("{} bytes came that are not a whole frame", self.input.len());
        }
        Ok(consumed)
    }
}
