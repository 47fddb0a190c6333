//! One connection of the generator with the bytes that wait to be written and those of a frame that
//! is not complete.

use std::io::ErrorKind;

use anyhow::{Context as _, bail};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::codec::Consumed;

/// Bytes read at once: larger than a whole window of 1 KiB messages.
pub const READ_BYTES: usize = 64 * 1024;
/// Bytes of a frame that is still incomplete. More means that the codec does not understand them.
const PARTIAL_BYTES_MAX: usize = 2 * 1024 * 1024;

pub struct BufferedStream {
    pub stream: TcpStream,
    input: Vec<u8>,
    /// Bytes that the socket has not taken yet.
    pub output: Vec<u8>,
}

impl BufferedStream {
    #[must_use]
    pub const fn new(stream: TcpStream) -> Self {
        Self { stream, input: Vec::new(), output: Vec::new() }
    }

    #[must_use]
    pub const fn is_behind(&self) -> bool {
        !self.output.is_empty()
    }

    /// Writes as much as the socket takes.
    ///
    /// # Errors
    /// The connection is closed.
    pub fn flush(&mut self) -> std::io::Result<()> {
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
    ///
    /// # Errors
    /// The connection is closed, or `take` does not accept what came.
    pub fn read(
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

    /// Writes what waits, ends this side, and waits until the server has read everything and ends
    /// the other side. What still comes is not looked at.
    ///
    /// # Errors
    /// The connection is reset.
    pub async fn end(&mut self) -> std::io::Result<()> {
        self.stream.write_all(&self.output).await?;
        self.output.clear();
        self.stream.shutdown().await?;
        let mut rest = vec![0; READ_BYTES];
        while self.stream.read(&mut rest).await? > 0 {}
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use tokio::net::TcpListener;

    use super::super::client_socket::connect;
    use super::*;

    #[tokio::test]
    async fn the_server_reads_what_was_written_before_the_end() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let connecting = connect(listener.local_addr().unwrap(), Ipv4Addr::LOCALHOST);
        let (client, server) = tokio::join!(connecting, listener.accept());
        let (client, (mut server, _)) = (client.unwrap(), server.unwrap());
        server.write_all(b"unread").await.unwrap();
        let mut client = BufferedStream::new(client);
        client.output.extend_from_slice(b"the last acknowledgement");
        let read = async {
            let mut found = Vec::new();
            server.read_to_end(&mut found).await.unwrap();
            drop(server);
            found
        };
        let (ended, found) = tokio::join!(client.end(), read);
        ended.unwrap();
        drop(client);
        assert_eq!(found, b"the last acknowledgement");
    }
}
