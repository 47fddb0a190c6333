//! The greeting of a link: the first request and its answer, in which both agents say who they are.
//! TLS has proven their root keys before.

use std::sync::Arc;
use std::time::Duration;

use futures::{SinkExt as _, StreamExt as _};
use http::header::{HeaderValue, SEC_WEBSOCKET_PROTOCOL};
use protocol::direct::{
    DIRECT_CLOSE_CODE, DIRECT_SUBPROTOCOL, DirectRefusal, HelloParams, HelloResult, method,
};
use protocol::frame::{Incoming, write_request, write_result};
use protocol::limits::FRAME_BYTES_MAX;
use protocol::record::VerifiedRecord;
use protocol::{Did, base64url, strict_json};
use tokio::net::TcpStream;
use tokio_rustls::TlsStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes};
use tokio_tungstenite::{WebSocketStream, accept_hdr_async_with_config, client_async_with_config};

use super::shared::{LinkFailure, Shared};
use crate::contacts::RootKey;
use crate::error::{Error, ErrorKind};

/// Messages that one link may leave unanswered, in either direction: a quarter of what the
/// application may hold from links, so that one peer does not take the room of all.
pub(super) const DIRECT_WINDOW_MESSAGES: usize = 128;
/// Bytes of such messages: one frame of the largest size.
pub(super) const DIRECT_WINDOW_BYTES: usize = FRAME_BYTES_MAX;
/// How long the relay may take to say whether it knows who dials. Known peers are believed then.
const PEER_LOOKUP_TIMEOUT: Duration = Duration::from_secs(2);
/// How long the close frame of a refusal may take to be written.
const REFUSAL_TIMEOUT: Duration = Duration::from_secs(1);
/// The URL of the upgrade. Nobody resolves it.
const UPGRADE_URL: &str = "ws://peer.invalid/direct";

pub(super) type LinkSocket = WebSocketStream<TlsStream<TcpStream>>;

/// A link whose agents know each other.
pub(super) struct GreetedLink {
    pub(super) socket: LinkSocket,
    pub(super) record: Arc<VerifiedRecord>,
    /// This agent's record that the peer was given.
    pub(super) own_record: Arc<[u8]>,
    pub(super) window: usize,
    pub(super) window_bytes: usize,
}

/// Greets the agent that was dialled.
pub(super) async fn greet(
    shared: &Shared,
    stream: TlsStream<TcpStream>,
    peer: &Did,
) -> Result<GreetedLink, LinkFailure> {
    let own_record = own_record(shared)?;
    let mut request = UPGRADE_URL.into_client_request().map_err(|e| broken(peer, e))?;
    request.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(DIRECT_SUBPROTOCOL));
    let upgraded = client_async_with_config(request, stream, Some(websocket_config())).await;
    let (mut socket, _) = upgraded.map_err(|e| broken(peer, e))?;
    let params = HelloParams {
        did: shared.state.config.did.clone(),
        to: peer.clone(),
        record: base64url::encode(&own_record),
    };
    let mut frame = Vec::new();
    write_request(&mut frame, 1, method::HELLO, &params);
    send(&mut socket, frame).await.map_err(|e| broken(peer, e))?;
    let result = hello_result(&mut socket, peer).await?;
    let bytes =
        base64url::decode(&result.record).map_err(|_| LinkFailure::Refused(DirectRefusal::BadRecord))?;
    let record =
        shared.state.contacts.learn(&bytes, peer).map_err(|e| LinkFailure::Refused(reason_of(&e)))?;
    let size = |limit: u64| usize::try_from(limit).unwrap_or(usize::MAX);
    let (window, window_bytes) = (size(result.window), size(result.window_bytes));
    Ok(GreetedLink { socket, record, own_record, window, window_bytes })
}

async fn hello_result(socket: &mut LinkSocket, peer: &Did) -> Result<HelloResult, LinkFailure> {
    loop {
        match socket.next().await {
            Some(Ok(Message::Text(text))) => {
                let Ok(Incoming::Result { result, .. }) = Incoming::parse(&text) else {
                    return Err(LinkFailure::Refused(DirectRefusal::Malformed));
                };
                let result = strict_json::from_str(result);
                return result.map_err(|_| LinkFailure::Refused(DirectRefusal::Malformed));
            }
            Some(Ok(Message::Close(frame))) => {
                return Err(match refusal_of(frame.as_ref()) {
                    Some(reason) => LinkFailure::Refused(reason),
                    None => broken(peer, "it closed the connection"),
                });
            }
            Some(Ok(_)) => {}
            Some(Err(e)) => return Err(broken(peer, e)),
            None => return Err(broken(peer, "the connection ended")),
        }
    }
}

/// Answers the greeting of an agent that has proven `key`. A refusal is told it.
pub(super) async fn answer(
    shared: &Shared,
    stream: TlsStream<TcpStream>,
    key: RootKey,
) -> Result<GreetedLink, LinkFailure> {
    let own_record = own_record(shared)?;
    let accepted = accept_hdr_async_with_config(stream, Subprotocol, Some(websocket_config())).await;
    let mut socket = accepted.map_err(|_| LinkFailure::Refused(DirectRefusal::Malformed))?;
    match check_hello(shared, &mut socket, key).await {
        Ok((id, record)) => {
            let result = HelloResult {
                record: base64url::encode(&own_record),
                window: u64::try_from(DIRECT_WINDOW_MESSAGES).unwrap_or(u64::MAX),
                window_bytes: u64::try_from(DIRECT_WINDOW_BYTES).unwrap_or(u64::MAX),
            };
            let mut frame = Vec::new();
            write_result(&mut frame, id, &result);
            send(&mut socket, frame).await.map_err(|e| broken(&record.did, e))?;
            let (window, window_bytes) = (DIRECT_WINDOW_MESSAGES, DIRECT_WINDOW_BYTES);
            Ok(GreetedLink { socket, record, own_record, window, window_bytes })
        }
        Err(reason) => {
            // Who was refused may read nothing.
            let _ = tokio::time::timeout(REFUSAL_TIMEOUT, socket.close(Some(close_frame(reason)))).await;
            Err(LinkFailure::Refused(reason))
        }
    }
}

async fn check_hello(
    shared: &Shared,
    socket: &mut LinkSocket,
    key: RootKey,
) -> Result<(String, Arc<VerifiedRecord>), DirectRefusal> {
    let Some(Ok(Message::Text(text))) = socket.next().await else { return Err(DirectRefusal::Malformed) };
    let Ok(Incoming::Request { id, method: name, params }) = Incoming::parse(&text) else {
        return Err(DirectRefusal::Malformed);
    };
    if &*name != method::HELLO {
        return Err(DirectRefusal::Malformed);
    }
    let hello: HelloParams = strict_json::from_str(params).map_err(|_| DirectRefusal::Malformed)?;
    if hello.to != shared.state.config.did {
        return Err(DirectRefusal::NotForUs);
    }
    let bytes = base64url::decode(&hello.record).map_err(|_| DirectRefusal::BadRecord)?;
    check_known(shared, &hello.did).await?;
    let record = shared.state.contacts.learn(&bytes, &hello.did).map_err(|e| reason_of(&e))?;
    if *record.keys.root.as_bytes() != key {
        return Err(DirectRefusal::WrongKey);
    }
    Ok((id.as_json().to_owned(), record))
}

/// Whether this agent may talk to that one: it is a listed peer, or the relay says so now, or it is
/// known and the relay cannot be asked.
async fn check_known(shared: &Shared, did: &Did) -> Result<(), DirectRefusal> {
    let state = &shared.state;
    if state.config.direct.as_ref().is_some_and(|direct| direct.peers.contains_key(did)) {
        return Ok(());
    }
    let is_connected = state.connection.borrow().is_connected();
    if let Some(rpc) = shared.rpc.upgrade().filter(|_| is_connected) {
        let looked_up = tokio::time::timeout(PEER_LOOKUP_TIMEOUT, state.contacts.look_up(&rpc, did)).await;
        match looked_up {
            Ok(Err(error)) if error.is_not_found() => return Err(DirectRefusal::UnknownPeer),
            Ok(Err(error)) if error.is_key_changed() => return Err(DirectRefusal::KeyChanged),
            _ => {}
        }
    }
    match state.contacts.root_key(did) {
        Some(_) => Ok(()),
        None => Err(DirectRefusal::UnknownPeer),
    }
}

/// Why a record that an agent gave of itself was not learnt.
fn reason_of(error: &Error) -> DirectRefusal {
    match error.kind() {
        ErrorKind::KeyChanged => DirectRefusal::KeyChanged,
        // The disk is full: the pin cannot be written.
        ErrorKind::State => DirectRefusal::NotNow,
        _ => DirectRefusal::BadRecord,
    }
}

fn own_record(shared: &Shared) -> Result<Arc<[u8]>, LinkFailure> {
    let record = shared.state.record.borrow().clone();
    record.ok_or(LinkFailure::Refused(DirectRefusal::NotNow))
}

pub(super) fn close_frame(reason: DirectRefusal) -> CloseFrame {
    CloseFrame { code: DIRECT_CLOSE_CODE.into(), reason: Utf8Bytes::from_static(reason.as_str()) }
}

pub(super) fn refusal_of(frame: Option<&CloseFrame>) -> Option<DirectRefusal> {
    let frame = frame.filter(|frame| u16::from(frame.code) == DIRECT_CLOSE_CODE)?;
    DirectRefusal::from_word(&frame.reason)
}

fn websocket_config() -> WebSocketConfig {
    WebSocketConfig::default().max_message_size(Some(FRAME_BYTES_MAX)).max_frame_size(Some(FRAME_BYTES_MAX))
}

async fn send(
    socket: &mut LinkSocket,
    frame: Vec<u8>,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let text = String::from_utf8(frame)?;
    Ok(socket.send(Message::text(text)).await?)
}

pub(super) fn broken(peer: &Did, cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> LinkFailure {
    let error = Error::new(ErrorKind::Connect, format!("cannot connect directly to {peer}"));
    LinkFailure::Failed(error.caused_by(cause))
}

/// Demands the subprotocol.
struct Subprotocol;

impl tokio_tungstenite::tungstenite::handshake::server::Callback for Subprotocol {
    // The error type is that of the trait.
    fn on_request(self, request: &Request, mut response: Response) -> Result<Response, ErrorResponse> {
        let offered = request.headers().get(SEC_WEBSOCKET_PROTOCOL);
        if offered.is_none_or(|offered| offered.as_bytes() != DIRECT_SUBPROTOCOL.as_bytes()) {
            let mut refusal = ErrorResponse::new(None);
            *refusal.status_mut() = http::StatusCode::BAD_REQUEST;
            return Err(refusal);
        }
        response.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(DIRECT_SUBPROTOCOL));
        Ok(response)
    }
}
