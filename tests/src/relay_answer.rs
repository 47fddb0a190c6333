//! Reads the answer of a relay to an API key at its WebSocket port.

use std::time::Duration;

use anyhow::Context as _;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use crate::{custom_resources::RELAY, namespace::TestNamespace, relay_port_forward};

/// The relay took the key and switches to the WebSocket protocol.
pub const ACCEPTED: &str = "101";
/// The key is unknown or revoked.
pub const REFUSED: &str = "401";
/// The key is known, its agent or tenant is suspended.
pub const SUSPENDED: &str = "403";

/// The relay closes at once when its client has.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// The status of the answer to `token`.
///
/// # Errors
/// No answer.
pub async fn answer(namespace: &TestNamespace, token: &str) -> anyhow::Result<String> {
    let mut stream = relay_port_forward::connect(namespace, RELAY).await?;
    let request = format!(
        "GET /ws HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {token}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: msg2agent.v1\r\n\r\n",
        relay_port_forward::host(namespace, RELAY)
    );
    stream.write_all(request.as_bytes()).await?;
    let mut line = [0; 12];
    stream.read_exact(&mut line).await.context("read the status line")?;
    close(stream).await;
    let line = std::str::from_utf8(&line)?;
    line.strip_prefix("HTTP/1.1 ").map(str::to_owned).with_context(|| format!("{line:?} is no status line"))
}

/// Ends the connection and waits until the relay has ended it too: connections with one key that
/// are open at the same time have a limit.
async fn close(mut stream: impl AsyncRead + AsyncWrite + Unpin) {
    let mut rest = Vec::new();
    let ended = async {
        stream.shutdown().await?;
        stream.read_to_end(&mut rest).await
    };
    // The answer has been read. A connection that does not end well ends when it is dropped.
    let _ = tokio::time::timeout(CLOSE_TIMEOUT, ended).await;
}
