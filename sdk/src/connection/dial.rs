//! Dials the relay: DNS, TCP, TLS and WebSocket upgrade, within one timeout.

use std::time::Duration;

use http::header::{AUTHORIZATION, HeaderMap, HeaderValue, RETRY_AFTER, SEC_WEBSOCKET_PROTOCOL};
use protocol::Reason;
use protocol::admin::Problem;
use protocol::frame::SUBPROTOCOL;
use protocol::limits::FRAME_BYTES_MAX;
use rustls_pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Error as WsError;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::handshake::client::{Request, Response};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::{WebSocketStream, client_async_with_config};
use zeroize::Zeroizing;

use super::disconnect::Disconnect;
use super::first_connection;
use super::upgrade_refusal::UpgradeRefusal;
use crate::config::{Endpoint, RelayAccess};
use crate::error::{Error, ErrorKind};
use crate::tls;
use crate::token::TokenSource;

/// How long DNS, TCP, TLS and upgrade may take together. The next attempt may reach another
/// replica.
const DIAL_TIMEOUT: Duration = Duration::from_secs(10);
/// Bytes per read.
const READ_BUFFER_BYTES: usize = 16 * 1024;

/// A TCP or TLS stream.
pub(super) trait ByteStream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> ByteStream for T {}

pub(super) type Socket = WebSocketStream<Box<dyn ByteStream>>;

/// Opens connections to one relay with one API key.
#[derive(Clone)]
pub(super) struct Dialer {
    endpoint: Endpoint,
    token: TokenSource,
}

impl Dialer {
    pub(super) fn new(relay: &RelayAccess) -> Result<Self, Error> {
        let failed = |e: tls::TlsError| Error::new(ErrorKind::Config, "cannot prepare TLS").caused_by(e);
        relay.endpoint.tls().map_err(failed)?;
        Ok(Self { endpoint: relay.endpoint.clone(), token: relay.token.clone() })
    }

    pub(super) async fn dial(&self) -> Result<Socket, Disconnect> {
        let within = tokio::time::timeout(DIAL_TIMEOUT, self.open()).await;
        within.unwrap_or_else(|_| Err(self.unreachable("it did not answer within 10 s")))
    }

    async fn open(&self) -> Result<Socket, Disconnect> {
        let request = self.request()?;
        let address = (self.endpoint.host(), self.endpoint.port());
        let addresses = tokio::net::lookup_host(address).await.map_err(|e| self.unreachable(e))?;
        let tcp = first_connection::connect(addresses.collect()).await.map_err(|e| self.unreachable(e))?;
        // Small frames must not wait for more (Nagle); a socket that cannot be set still works.
        let _ = tcp.set_nodelay(true);
        let stream: Box<dyn ByteStream> =
            if self.endpoint.secure() { self.connect_tls(tcp).await? } else { Box::new(tcp) };
        let (socket, response) = client_async_with_config(request, stream, Some(websocket_config()))
            .await
            .map_err(|e| self.upgrade_failed(e))?;
        if selected_subprotocol(&response) {
            return Ok(socket);
        }
        Err(self.unreachable("it does not support the subprotocol msg2agent.v1"))
    }

    async fn connect_tls(&self, tcp: TcpStream) -> Result<Box<dyn ByteStream>, Disconnect> {
        let name = ServerName::try_from(self.endpoint.host().to_owned()).map_err(|e| self.unreachable(e))?;
        let tls = self.endpoint.tls().map_err(|e| self.unreachable(e))?;
        let connector = tokio_rustls::TlsConnector::from(tls);
        let stream = connector.connect(name, tcp).await.map_err(|e| self.unreachable(e))?;
        Ok(Box::new(stream))
    }

    /// Reads the API key now, so that a rotated key is used.
    fn request(&self) -> Result<Request, Disconnect> {
        let mut request = self.endpoint.uri().into_client_request().map_err(|e| self.unreachable(e))?;
        let token = self.token.read().map_err(Disconnect::Lost)?;
        let bearer = Zeroizing::new(format!("Bearer {}", token.reveal()));
        let mut value = HeaderValue::from_str(&bearer).map_err(|e| self.unreachable(e))?;
        value.set_sensitive(true);
        request.headers_mut().insert(AUTHORIZATION, value);
        request.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(SUBPROTOCOL));
        Ok(request)
    }

    fn unreachable(&self, cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Disconnect {
        let error = Error::new(ErrorKind::Connect, format!("cannot connect to {}", self.endpoint.url()));
        Disconnect::Lost(error.caused_by(cause).advising("check the relay, its URL and its certificate"))
    }

    fn upgrade_failed(&self, error: WsError) -> Disconnect {
        match error {
            WsError::Http(response) => {
                let refusal = UpgradeRefusal {
                    status: response.status(),
                    reason: response.body().as_deref().and_then(problem_reason),
                    retry_after: retry_after(response.headers()),
                };
                refusal.into_disconnect(self.endpoint.url())
            }
            error => self.unreachable(error),
        }
    }
}

fn websocket_config() -> WebSocketConfig {
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

/// The seconds of a `Retry-After` header. Relays send no dates.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok().map(Duration::from_secs)
}
