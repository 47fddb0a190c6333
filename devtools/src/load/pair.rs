//! Drives one sender and one recipient on their two connections: fills the window and reads what
//! arrives until the round ends.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use hdrhistogram::Histogram;
use tokio::net::TcpStream;

use super::buffered_stream::{BufferedStream, READ_BYTES};
use super::codec::{Codec, Consumed};
use super::send_schedule::SendSchedule;
use super::window::Window;

/// Microseconds of the longest latency that is recorded exactly.
const MAX_LATENCY: u64 = 60_000_000;
/// Digits of a latency.
const LATENCY_DIGITS: u8 = 3;

/// Time in which a server ends a connection that its client has ended.
const LEAVE_TIMEOUT: Duration = Duration::from_secs(5);

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

impl MessageCounts {
    /// # Errors
    /// As [`new_latencies`].
    pub fn shared() -> anyhow::Result<Rc<RefCell<Self>>> {
        let latency = new_latencies()?;
        Ok(Rc::new(RefCell::new(Self { done: 0, stored: 0, recording: false, stopping: false, latency })))
    }
}

/// Latencies in microseconds, none yet.
///
/// # Errors
/// Never: the bounds are constants.
pub fn new_latencies() -> anyhow::Result<Histogram<u64>> {
    Ok(Histogram::new_with_bounds(1, MAX_LATENCY, LATENCY_DIGITS)?)
}

pub struct Pair {
    sender: BufferedStream,
    recipient: BufferedStream,
    codec: Box<dyn Codec>,
    window: Window,
    schedule: SendSchedule,
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
        // A failure shows at the first write.
        for stream in [&sender, &recipient] {
            drop(stream.set_nodelay(true));
        }
        let (sender, recipient) = (BufferedStream::new(sender), BufferedStream::new(recipient));
        Self { sender, recipient, codec, window, schedule: SendSchedule::Unpaced, counts }
    }

    /// The same pair with another schedule than as fast as its window allows.
    #[must_use]
    pub fn scheduled(self, schedule: SendSchedule) -> Self {
        Self { schedule, ..self }
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
                self.leave().await;
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
                () = self.schedule.wait() => (),
            }
        }
    }

    /// Ends both connections in order, once the last acknowledgements are written. A reset would
    /// take back those that the server has not read, and messages that were answered `stored` would
    /// wait for their recipient again.
    async fn leave(&mut self) {
        if self.counts.borrow().stored == 0 {
            return;
        }
        for side in [&mut self.sender, &mut self.recipient] {
            // A failure shows as messages that wait.
            drop(tokio::time::timeout(LEAVE_TIMEOUT, side.end()).await);
        }
    }

    fn fill(&mut self) {
        let now = Instant::now();
        let Self { schedule, window, codec, sender, .. } = self;
        schedule.take(window.room(), now, |moment| {
            codec.message(window.sent(), &mut sender.output);
            window.send(moment);
        });
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
