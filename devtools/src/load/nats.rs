//! Runs Debian's nats-server and speaks the part of its text protocol that a pair needs: PUB, SUB,
//! MSG, PING.
//!
//! Source: docs.nats.io, "Client Protocol".

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

use super::codec::{Codec, Consumed};
use super::process::{self, Process};

/// Where Debian's package puts it.
const PROGRAM: &str = "/usr/sbin/nats-server";
/// Time the server gets to write down its port.
const START_TIMEOUT: Duration = Duration::from_secs(10);
/// Interval of looking for that file; the server gives no other sign.
const POLL_INTERVAL: Duration = Duration::from_millis(20);
/// Bytes of a line before its payload; the server's own limit is 4 KiB.
const LINE_BYTES_MAX: usize = 4096;

#[must_use]
pub fn is_installed() -> bool {
    Path::new(PROGRAM).is_file()
}

/// A running nats-server. Its folder is deleted when it is dropped.
#[derive(Debug)]
pub struct Nats {
    pub process: Process,
    pub address: SocketAddr,
    _folder: tempfile::TempDir,
}

impl Nats {
    /// # Errors
    /// Not installed, or not listening within 10 s.
    pub async fn start(pinned: bool) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir().context("make a folder for nats-server")?;
        let mut command = process::command(Path::new(PROGRAM), pinned);
        command.args(["--addr", "127.0.0.1", "--port", "-1", "--ports_file_dir"]).arg(folder.path());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let process = Process::start(command).context("is Debian's package nats-server installed?")?;
        let file = folder.path().join(format!("nats-server_{}.ports", process.id()));
        let address = tokio::time::timeout(START_TIMEOUT, listening(&file))
            .await
            .context("nats-server does not start")??;
        Ok(Self { process, address, _folder: folder })
    }

    /// The two connections of pair `number`; the recipient has subscribed, and the sender too if
    /// `answers`.
    ///
    /// # Errors
    /// A refused connection.
    pub async fn connect(&self, number: u16, answers: bool) -> anyhow::Result<(TcpStream, TcpStream)> {
        let recipient = self.client(&format!("SUB pair.{number} 1\r\n")).await?;
        let hears = if answers { format!("SUB answer.{number} 1\r\n") } else { String::new() };
        Ok((self.client(&hears).await?, recipient))
    }

    async fn client(&self, subscription: &str) -> anyhow::Result<TcpStream> {
        let mut stream = BufReader::new(TcpStream::connect(self.address).await?);
        let mut line = String::new();
        stream.read_line(&mut line).await?;
        ensure!(line.starts_with("INFO "), "nats-server greets with {line:?}");
        let hello = format!("CONNECT {{\"verbose\":false,\"pedantic\":false}}\r\n{subscription}PING\r\n");
        stream.write_all(hello.as_bytes()).await?;
        line.clear();
        stream.read_line(&mut line).await?;
        ensure!(line == "PONG\r\n", "nats-server answers {line:?} to PING");
        ensure!(stream.buffer().is_empty(), "nats-server sent more than PONG");
        Ok(stream.into_inner())
    }
}

async fn listening(file: &Path) -> anyhow::Result<SocketAddr> {
    #[derive(serde::Deserialize)]
    struct Ports {
        nats: Vec<String>,
    }
    loop {
        // Not there yet, or written in part.
        let written = std::fs::read(file).ok().and_then(|text| serde_json::from_slice::<Ports>(&text).ok());
        if let Some(ports) = written {
            let url = ports.nats.first().context("nats-server reports no port")?;
            let (_, port) = url.rsplit_once(':').context("nats-server's URL has no port")?;
            return Ok((Ipv4Addr::LOCALHOST, port.parse()?).into());
        }
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}

/// Publishes to `pair.<number>`; with `answers`, the recipient publishes to the reply subject.
pub struct Subjects {
    message: Vec<u8>,
    answer: Option<Vec<u8>>,
}

impl Subjects {
    #[must_use]
    pub fn new(number: u16, size: usize, answers: bool) -> Self {
        let reply = if answers { format!(" answer.{number}") } else { String::new() };
        let mut message = format!("PUB pair.{number}{reply} {size}\r\n").into_bytes();
        message.resize(message.len() + size, b'x');
        message.extend_from_slice(b"\r\n");
        let answer = answers.then(|| format!("PUB answer.{number} 2\r\nok\r\n").into_bytes());
        Self { message, answer }
    }
}

impl Codec for Subjects {
    fn message(&mut self, _: u64, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.message);
    }

    fn at_recipient(&mut self, input: &[u8], reply: &mut Vec<u8>) -> anyhow::Result<Consumed> {
        let consumed = read(input, reply)?;
        if let Some(answer) = &self.answer {
            (0..consumed.count).for_each(|_| reply.extend_from_slice(answer));
        }
        Ok(consumed)
    }

    fn at_sender(&mut self, input: &[u8], reply: &mut Vec<u8>) -> anyhow::Result<Consumed> {
        read(input, reply)
    }
}

/// Counts MSG, answers PING, skips INFO and PONG; anything else is an error.
fn read(input: &[u8], reply: &mut Vec<u8>) -> anyhow::Result<Consumed> {
    let mut consumed = Consumed::default();
    loop {
        let rest = input.get(consumed.bytes..).unwrap_or_default();
        let Some(end) = rest.iter().take(LINE_BYTES_MAX).position(|byte| *byte == b'\n') else {
            ensure!(rest.len() < LINE_BYTES_MAX, "nats-server sends a line without end");
            return Ok(consumed);
        };
        let line = rest.get(..end).unwrap_or_default().trim_ascii_end();
        let mut length = end + 1;
        if line.starts_with(b"MSG ") {
            length += payload_length(line)? + 2;
            if rest.len() < length {
                return Ok(consumed);
            }
            consumed.count += 1;
        } else if line == b"PING" {
            reply.extend_from_slice(b"PONG\r\n");
        } else if !(line.starts_with(b"INFO ") || line == b"PONG") {
            bail!("nats-server says {:?}", String::from_utf8_lossy(line));
        }
        consumed.bytes += length;
    }
}

/// The last word of `MSG <subject> <sid> [reply] <bytes>`.
fn payload_length(line: &[u8]) -> anyhow::Result<usize> {
    let word = line.rsplit(|byte| *byte == b' ').next().unwrap_or_default();
    let text = std::str::from_utf8(word).context("MSG without length")?;
    text.parse().context("MSG without length")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_messages_are_counted_and_a_part_waits() {
        let mut subjects = Subjects::new(3, 5, true);
        let mut reply = vec![];
        let input = b"MSG pair.3 1 answer.3 5\r\nhello\r\nPING\r\nMSG pair.3 1 answer.3 5\r\nhel";
        let consumed = subjects.at_recipient(input, &mut reply).unwrap();
        assert_eq!(consumed, Consumed { bytes: 38, count: 1, stored: 0 });
        assert_eq!(reply, b"PONG\r\nPUB answer.3 2\r\nok\r\n");
    }

    #[test]
    fn an_error_of_the_server_ends_the_round() {
        let error = read(b"-ERR 'Slow Consumer'\r\n", &mut vec![]).unwrap_err();
        assert!(error.to_string().contains("Slow Consumer"), "{error}");
    }
}
