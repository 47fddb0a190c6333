//! The two loops of a connection: a sender that stores a number of messages, and a recipient that
//! takes and acknowledges as many.

use std::collections::VecDeque;
use std::time::Instant;

use anyhow::{Context as _, ensure};
use hdrhistogram::Histogram;
use tokio::net::TcpStream;

use crate::load::buffered_stream::{BufferedStream, READ_BYTES};
use crate::load::codec::Codec;
use crate::load::pair::new_latencies;

/// Sends messages 0 to `count`, with `window` of them in flight: how long each answer took.
///
/// # Errors
/// A message is refused, or answered otherwise than `stored`.
pub async fn store(
    stream: TcpStream,
    codec: &mut impl Codec,
    count: u64,
    window: u16,
) -> anyhow::Result<Histogram<u64>> {
    let mut stream = prepared(stream)?;
    let mut latency = new_latencies()?;
    let (mut buffer, mut answered, mut sent_at) = (vec![0; READ_BYTES], 0, VecDeque::new());
    while answered < count {
        let in_flight = sent_at.len() as u64;
        let room = u64::from(window).saturating_sub(in_flight).min(count - answered - in_flight);
        let now = Instant::now();
        for number in (answered + in_flight..).take(usize::try_from(room)?) {
            codec.message(number, &mut stream.output);
            sent_at.push_back(now);
        }
        stream.flush().context("write to the sender's connection")?;
        tokio::select! {
            ready = stream.stream.readable() => ready?,
            ready = stream.stream.writable(), if stream.is_behind() => { ready?; continue; }
        }
        let consumed = stream.read(&mut buffer, |input, reply| codec.at_sender(input, reply))?;
        ensure!(consumed.stored == consumed.count, "a message to an agent that is away was not stored");
        ensure!(consumed.count <= sent_at.len() as u64, "more answers than messages");
        answered += consumed.count;
        for at in sent_at.drain(..usize::try_from(consumed.count)?) {
            latency.saturating_record(u64::try_from(at.elapsed().as_micros()).unwrap_or(u64::MAX));
        }
    }
    Ok(latency)
}

/// Takes and acknowledges `count` messages: the connection, which is to stay open until the relay
/// has read the last acknowledgement.
///
/// # Errors
/// A message is lost, repeated or out of order.
pub async fn drain(stream: TcpStream, codec: &mut impl Codec, count: u64) -> anyhow::Result<BufferedStream> {
    let mut stream = prepared(stream)?;
    let (mut buffer, mut taken) = (vec![0; READ_BYTES], 0);
    while taken < count || stream.is_behind() {
        tokio::select! {
            ready = stream.stream.readable() => ready?,
            ready = stream.stream.writable(), if stream.is_behind() => ready?,
        }
        taken += stream.read(&mut buffer, |input, reply| codec.at_recipient(input, reply))?.count;
        stream.flush().context("write to the recipient's connection")?;
    }
    ensure!(taken == count, "{taken} messages arrived of {count}");
    Ok(stream)
}

fn prepared(stream: TcpStream) -> anyhow::Result<BufferedStream> {
    stream.set_nodelay(true).context("a connection of the relay")?;
    Ok(BufferedStream::new(stream))
}
