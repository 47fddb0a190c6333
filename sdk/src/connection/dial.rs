//! From a URL to an open WebSocket: name, TCP, TLS, upgrade, all within one deadline.

use std::sync::Arc;
use std::time::Duration;

use http::header::{AUTHORIZATION, HeaderValue, SEC_WEBSOCKET_PROTOCOL};
use protocol::Reason;
use protocol::admin::Problem;
use protocol::frame::SUBPROTOCOL;
use protocol::limits::FRAME_BYTES_MAX;
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Error as WsError;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::handshake::client::{Request, Response};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::{WebSocketStream, client_async_with_config};
use zeroize::Zeroizing;

use super::ending::{Ending, suspended};
use crate::config::{Ca, Endpoint};
use crate::{Config, ErrorKind, TokenSource, tls};

/// Name, TCP, TLS and upgrade together; a relay that needs longer is not one to wait for.
const DIAL_DEADLINE: Duration = Duration::from_secs(10);
/// Bytes read at once.
const READ_BUFFER_BYTES: usize = 16 * 1024;

/// Anything bytes go through.
pub(super) trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

pub(super) type Socket = WebSocketStream<Box<dyn Stream>>;

/// Knows the relay and the API key.
#[derive(Clone)]
pub(super) struct Dialer {
    endpoint: Endpoint,
    token: TokenSource,
    /// As it was at the start.
    tls: Arc<ClientConfig>,
}

impl Dialer {
    pub(super) fn new(config: &Config) -> Result<Self, crate::Error> {
        let failed =
            |e: tls::TlsError| crate::Error::new(ErrorKind::Config, "cannot prepare TLS").caused_by(e);
        let tls = tls::client(config.endpoint.ca()).map_err(failed)?;
        Ok(Self { endpoint: config.endpoint.clone(), token: config.token.clone(), tls })
    }

    pub(super) async fn dial(&self) -> Result<Socket, Ending> {
        let within = tokio::time::timeout(DIAL_DEADLINE, self.open()).await;
        within.unwrap_or_else(|_| Err(self.unreachable("it did not answer within 10 s")))
    }

    async fn open(&self) -> Result<Socket, Ending> {
        let request = self.request()?;
        let address = (self.endpoint.host(), self.endpoint.port());
        let tcp = TcpStream::connect(address).await.map_err(|e| self.unreachable(e))?;
        // Small frames must not wait for more (Nagle); a socket that cannot be set still works.
        let _ = tcp.set_nodelay(true);
        let stream: Box<dyn Stream> =
            if self.endpoint.secure() { self.secured(tcp).await? } else { Box::new(tcp) };
        let (socket, response) =
            client_async_with_config(request, stream, Some(settings())).await.map_err(|e| self.refused(e))?;
        if selected_subprotocol(&response) {
            return Ok(socket);
        }
        Err(self.unreachable("it does not speak msg2agent.v1"))
    }

    async fn secured(&self, tcp: TcpStream) -> Result<Box<dyn Stream>, Ending> {
        let name = ServerName::try_from(self.endpoint.host().to_owned()).map_err(|e| self.unreachable(e))?;
        let connector = tokio_rustls::TlsConnector::from(self.tls_now());
        let stream = connector.connect(name, tcp).await.map_err(|e| self.unreachable(e))?;
        Ok(Box::new(stream))
    }

    /// Reads a file of authorities now, because they are replaced while agents run. One that cannot be used, as in the middle
    /// of a write, leaves those of the start.
    fn tls_now(&self) -> Arc<ClientConfig> {
        match self.endpoint.ca() {
            ca @ Some(Ca::File(_)) => tls::client(ca).unwrap_or_else(|_| Arc::clone(&self.tls)),
            Some(Ca::Value(_)) | None => Arc::clone(&self.tls),
        }
    }

    /// Reads the API key now, so that a rotated one is used.
    fn request(&self) -> Result<Request, Ending> {
        let mut request = self.endpoint.uri().into_client_request().map_err(|e| self.unreachable(e))?;
        let token = self.token.read().map_err(Ending::Lost)?;
        let bearer = Zeroizing::new(format!("Bearer {}", token.reveal()));
        let mut value = HeaderValue::from_str(&bearer).map_err(|e| self.unreachable(e))?;
        value.set_sensitive(true);
        request.headers_mut().insert(AUTHORIZATION, value);
        request.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(SUBPROTOCOL));
        Ok(request)
    }

    fn unreachable(&self, cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Ending {
        let error =
            crate::Error::new(ErrorKind::Connect, format!("cannot connect to {}", self.endpoint.url()));
        Ending::Lost(
            error.caused_by(cause).advising("check that the relay runs, its URL, and its certificate"),
        )
    }

    fn refused(&self, error: WsError) -> Ending {
        let WsError::Http(response) = error else {
            return self.unreachable(error);
        };
        let status = response.status();
        let reason = response.body().as_deref().and_then(problem_reason);
        let word = reason.map_or("no reason given", Reason::as_str);
        let cause = format!("the relay answered HTTP {}: {word}", status.as_u16());
        if reason == Some(Reason::Suspended) {
            return Ending::Suspended(suspended(cause));
        }
        if status != http::StatusCode::UNAUTHORIZED {
            return self.unreachable(cause);
        }
        let attempt = format!("the relay at {} does not take the API key", self.endpoint.url());
        let advice = reason.map_or("give the agent's current API key", Reason::advice);
        let error = crate::Error::new(ErrorKind::Unauthorized, attempt).saying(reason);
        Ending::Unauthorized(error.caused_by(cause).advising(advice))
    }
}

fn settings() -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER_BYTES)
        .max_message_size(Some(FRAME_BYTES_MAX))
        .max_frame_size(Some(FRAME_BYTES_MAX))
}

fn selected_subprotocol(response: &Response) -> bool {
    response.headers().get(SEC_WEBSOCKET_PROTOCOL).is_some_and(|v| v.as_bytes() == SUBPROTOCOL.as_bytes())
}

fn problem_reason(body: &[u8]) -> Option<Reason> {
    serde_json::from_slice::<Problem>(body).ok().map(|problem| problem.reason)
}
