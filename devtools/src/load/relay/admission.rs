//! Admits an agent before its first message: the WebSocket upgrade with its key, the challenge, and
//! the registration.

use anyhow::{Context as _, bail, ensure};
use futures::{SinkExt as _, StreamExt as _};
use http::header::{AUTHORIZATION, HeaderValue, SEC_WEBSOCKET_PROTOCOL};
use protocol::api_key::ApiKey;
use protocol::did::Domain;
use protocol::frame::{
    ChallengeParams, ChallengeResult, Incoming, RegisterParams, RegisterResult, RpcError, SUBPROTOCOL,
    method, write_request,
};
use protocol::record::Card;
use protocol::{Identity, base64url, challenge, record};
use serde::{Serialize, de::DeserializeOwned};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::{Error, Message, client::IntoClientRequest as _};

use super::now;

/// The relay's answer to the upgrade.
pub enum Upgrade<S> {
    Open(Box<WebSocketStream<S>>),
    /// The HTTP status.
    Refused(u16),
}

/// The relay refuses a request of the admission.
#[derive(Debug, thiserror::Error)]
#[error("the relay refuses {method} with {}: {}", error.data.reason.as_str(), error.message)]
pub struct RequestRefused {
    method: String,
    pub error: RpcError,
}

/// Opens the WebSocket at `url` over `stream` and registers: the stream, on which nothing else has
/// happened, if no messages wait for the agent.
///
/// # Errors
/// The relay refuses the key or the registration.
pub async fn connect(
    stream: TcpStream,
    url: &str,
    key: &ApiKey,
    identity: &Identity,
    card: Card,
) -> anyhow::Result<(TcpStream, RegisterResult)> {
    match open(stream, url, key).await? {
        Upgrade::Open(mut socket) => {
            let registered = register_with(&mut socket, identity, card).await?;
            Ok((socket.into_inner(), registered))
        }
        Upgrade::Refused(status) => bail!("the relay refuses the key of {} with {status}", identity.did()),
    }
}

/// Asks for the WebSocket at `url` over `stream`.
///
/// # Errors
/// Anything but an upgrade or an HTTP refusal.
pub async fn open<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    url: &str,
    key: &ApiKey,
) -> anyhow::Result<Upgrade<S>> {
    let mut request = url.into_client_request()?;
    request.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(SUBPROTOCOL));
    let mut bearer = HeaderValue::try_from(format!("Bearer {}", key.reveal()))?;
    bearer.set_sensitive(true);
    request.headers_mut().insert(AUTHORIZATION, bearer);
    match tokio_tungstenite::client_async(request, stream).await {
        Ok((socket, _)) => Ok(Upgrade::Open(Box::new(socket))),
        Err(Error::Http(answer)) => Ok(Upgrade::Refused(answer.status().as_u16())),
        Err(error) => Err(error).context("open a WebSocket"),
    }
}

/// Registers `identity`; nothing else has happened on the connection then.
///
/// # Errors
/// The relay refuses, or answers for another domain.
pub async fn register<S: AsyncRead + AsyncWrite + Unpin>(
    socket: &mut WebSocketStream<S>,
    identity: &Identity,
) -> anyhow::Result<RegisterResult> {
    register_with(socket, identity, Card::default()).await
}

/// As [`register`], with a card.
///
/// # Errors
/// As [`register`].
pub async fn register_with<S: AsyncRead + AsyncWrite + Unpin>(
    socket: &mut WebSocketStream<S>,
    identity: &Identity,
    card: Card,
) -> anyhow::Result<RegisterResult> {
    register_record(socket, identity, &record::build(identity, card, None, now())?).await
}

/// As [`register`], with a record that was built before. One that the relay has on file costs it no
/// commit.
///
/// # Errors
/// As [`register`].
pub async fn register_record<S: AsyncRead + AsyncWrite + Unpin>(
    socket: &mut WebSocketStream<S>,
    identity: &Identity,
    record: &[u8],
) -> anyhow::Result<RegisterResult> {
    let did = identity.did().clone();
    let domain: Domain = did.domain().parse()?;
    let challenge: ChallengeResult =
        call(socket, 1, method::CHALLENGE, &ChallengeParams { did: did.clone() }).await?;
    ensure!(challenge.domain == domain, "the relay answers for {}", challenge.domain);
    let signing = identity.current_signing().context("an identity without a signing key")?;
    let signature = challenge::sign(&signing.key, &domain, &challenge.nonce, record);
    let params =
        RegisterParams { did, record: base64url::encode(record), kid: signing.kid.clone(), signature };
    call(socket, 2, method::REGISTER, &params).await
}

async fn call<S: AsyncRead + AsyncWrite + Unpin, R: DeserializeOwned>(
    socket: &mut WebSocketStream<S>,
    id: u64,
    method: &str,
    params: &impl Serialize,
) -> anyhow::Result<R> {
    let mut frame = vec![];
    write_request(&mut frame, id, method, params);
    socket.send(Message::text(String::from_utf8(frame)?)).await.with_context(|| format!("send {method}"))?;
    let answer = socket.next().await.with_context(|| format!("no answer to {method}"))??;
    if let Message::Close(frame) = &answer {
        bail!("the relay closes the connection and does not answer {method}: {frame:?}");
    }
    let text = answer.to_text()?;
    match Incoming::parse(text)? {
        Incoming::Result { result, .. } => Ok(serde_json::from_str(result)?),
        Incoming::Error { error, .. } => Err(RequestRefused { method: method.to_owned(), error }.into()),
        _ => bail!("the relay answers {text} to {method}"),
    }
}
