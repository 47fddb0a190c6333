//! Measures the baseline: a TCP forwarder without frames and routes, and the blocks that are sent
//! through it.
//!
//! [`serve`] runs in a separate process, so that its CPU time is counted separately.

use std::io::BufRead as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::Stdio;

use anyhow::Context as _;
use tokio::net::{TcpListener, TcpStream};

use super::codec::{Codec, Consumed};
use super::process::{self, Process};
use super::websocket::client_header_bytes;

/// Bytes forwarded at once.
const BUFFER_BYTES: usize = 64 * 1024;
/// Bytes of an answer: about a `message.send` result with its WebSocket header.
const ANSWER_BYTES: usize = 64;
/// The forwarder prints this before its address.
const LISTENING: &str = "listening ";

/// Forwards between the first and the second, the third and the fourth … connection, both ways,
/// until stdin closes.
///
/// # Errors
/// No loopback port, or a failing accept.
pub async fn serve() -> anyhow::Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.context("bind a loopback port")?;
    #[expect(clippy::print_stdout, reason = "the address is this command's answer to its parent")]
    {
        println!("{LISTENING}{}", listener.local_addr()?);
    }
    let (mut stdin, mut nowhere) = (tokio::io::stdin(), tokio::io::sink());
    tokio::select! {
        ended = accept_pairs(&listener) => ended,
        _ = tokio::io::copy(&mut stdin, &mut nowhere) => Ok(()),
    }
}

async fn accept_pairs(listener: &TcpListener) -> anyhow::Result<()> {
    let mut forwards = tokio::task::JoinSet::new();
    loop {
        let (sender, _) = listener.accept().await.context("accept a sender")?;
        let (recipient, _) = listener.accept().await.context("accept a recipient")?;
        while forwards.try_join_next().is_some() {}
        forwards.spawn(forward(sender, recipient));
    }
}

async fn forward(mut sender: TcpStream, mut recipient: TcpStream) -> std::io::Result<()> {
    sender.set_nodelay(true)?;
    recipient.set_nodelay(true)?;
    tokio::io::copy_bidirectional_with_sizes(&mut sender, &mut recipient, BUFFER_BYTES, BUFFER_BYTES).await?;
    Ok(())
}

/// A running forwarder.
#[derive(Debug)]
pub struct Forwarder {
    pub process: Process,
    pub address: SocketAddr,
}

impl Forwarder {
    /// Starts `program forwarder`, where `program` is the `load` binary.
    ///
    /// # Errors
    /// It does not start or does not say where it listens.
    pub fn start(program: &Path, pinned: bool) -> anyhow::Result<Self> {
        let mut command = process::command(program, pinned);
        command.arg("forwarder").stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = Process::start(command)?;
        let stdout = process.child().stdout.take().context("the forwarder has no stdout")?;
        let mut line = String::new();
        std::io::BufReader::new(stdout).read_line(&mut line).context("read the forwarder's address")?;
        let address = line.trim().strip_prefix(LISTENING).context("the forwarder did not start")?.parse()?;
        Ok(Self { process, address })
    }

    /// # Errors
    /// A refused connection.
    pub async fn connect(&self) -> anyhow::Result<(TcpStream, TcpStream)> {
        // One after the other: the forwarder pairs by the order of arrival.
        let sender = TcpStream::connect(self.address).await?;
        let recipient = TcpStream::connect(self.address).await?;
        Ok((sender, recipient))
    }
}

/// Blocks of fixed size, and fixed-size answers if asked for.
pub struct Blocks {
    block: Vec<u8>,
    answers: bool,
}

impl Blocks {
    /// `size` bytes and as many as a WebSocket client puts before them.
    #[must_use]
    pub fn new(size: usize, answers: bool) -> Self {
        Self { block: vec![b'x'; size + client_header_bytes(size)], answers }
    }
}

impl Codec for Blocks {
    fn message(&mut self, _: u64, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.block);
    }

    fn at_recipient(&mut self, input: &[u8], reply: &mut Vec<u8>) -> anyhow::Result<Consumed> {
        let consumed = whole(input, self.block.len());
        if self.answers {
            for _ in 0..consumed.count {
                reply.extend_from_slice(&[b'a'; ANSWER_BYTES]);
            }
        }
        Ok(consumed)
    }

    fn at_sender(&mut self, input: &[u8], _: &mut Vec<u8>) -> anyhow::Result<Consumed> {
        Ok(whole(input, ANSWER_BYTES))
    }
}

fn whole(input: &[u8], size: usize) -> Consumed {
    let count = input.len() / size;
    Consumed { bytes: count * size, count: count as u64, stored: 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_whole_block_is_answered_once_and_a_part_waits() {
        let mut blocks = Blocks::new(100, true);
        let (mut out, mut reply) = (vec![], vec![]);
        blocks.message(0, &mut out);
        blocks.message(1, &mut out);
        let consumed = blocks.at_recipient(&out[..150], &mut reply).unwrap();
        assert_eq!(consumed, Consumed { bytes: 100 + client_header_bytes(100), count: 1, stored: 0 });
        assert_eq!(reply.len(), ANSWER_BYTES);
    }
}
