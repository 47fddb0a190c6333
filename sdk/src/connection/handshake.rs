//! The registration handshake: challenge, signature, record. No other request is sent before it
//! succeeds.

use std::time::Duration;

use futures::{SinkExt as _, StreamExt as _};
use protocol::frame::{
    ChallengeParams, ChallengeResult, Incoming, RegisterParams, RegisterResult, method, write_request,
};
use protocol::{Did, base64url, challenge};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio_tungstenite::tungstenite::Message;

use super::dial::Socket;
use super::disconnect::Disconnect;
use super::own_record::OwnRecord;
use crate::error::{Error, ErrorKind};

/// How long both round trips may take together. The relay's own limit is 10 s.
const REGISTER_TIMEOUT: Duration = Duration::from_secs(10);

/// A WebSocket with a registered session.
pub(super) struct RegisteredSession {
    pub(super) socket: Socket,
    pub(super) result: RegisterResult,
}

pub(super) async fn register(
    socket: Socket,
    did: &Did,
    record: &OwnRecord,
) -> Result<RegisteredSession, Disconnect> {
    let within = tokio::time::timeout(REGISTER_TIMEOUT, run_handshake(socket, did, record)).await;
    within.unwrap_or_else(|_| Err(lost("it did not answer within 10 s")))
}

async fn run_handshake(
    mut socket: Socket,
    did: &Did,
    record: &OwnRecord,
) -> Result<RegisteredSession, Disconnect> {
    let params = ChallengeParams { did: did.clone() };
    let challenge: ChallengeResult = call(&mut socket, 1, method::CHALLENGE, &params).await?;
    let params = answer_challenge(&challenge, did, record)?;
    let result = call(&mut socket, 2, method::REGISTER, &params).await?;
    Ok(RegisteredSession { socket, result })
}

/// Answers the challenge of a relay of the DID's own domain only, so that another relay cannot
/// forward a challenge and use the signature.
fn answer_challenge(
    challenge: &ChallengeResult,
    did: &Did,
    record: &OwnRecord,
) -> Result<RegisterParams, Disconnect> {
    if challenge.domain.as_str() != did.domain() {
        let attempt = format!("the relay serves {}, not {}", challenge.domain, did.domain());
        let error = Error::new(ErrorKind::Config, attempt).advising("use the URL of the relay in the DID");
        return Err(Disconnect::Fatal(error));
    }
    let keyless = || Disconnect::Fatal(Error::new(ErrorKind::KeyFile, "the agent has no signing key"));
    let key = record.identity().and_then(|identity| identity.current_signing()).ok_or_else(keyless)?;
    let signature = challenge::sign(&key.key, &challenge.domain, &challenge.nonce, record.bytes());
    Ok(RegisterParams {
        did: did.clone(),
        record: base64url::encode(record.bytes()),
        kid: key.kid.clone(),
        signature,
    })
}

async fn call<R: DeserializeOwned>(
    socket: &mut Socket,
    id: u64,
    method: &str,
    params: &impl Serialize,
) -> Result<R, Disconnect> {
    let mut frame = Vec::new();
    write_request(&mut frame, id, method, params);
    let text = String::from_utf8(frame).map_err(lost)?;
    socket.send(Message::text(text)).await.map_err(lost)?;
    loop {
        match socket.next().await {
            Some(Ok(Message::Text(text))) => return parse_response(&text, id),
            Some(Ok(Message::Close(frame))) => {
                return Err(Disconnect::ClosedByRelay(frame.map_or(1005, |f| f.code.into())));
            }
            Some(Ok(_)) => {}
            Some(Err(e)) => return Err(lost(e)),
            None => return Err(lost("it closed the connection")),
        }
    }
}

fn parse_response<R: DeserializeOwned>(text: &str, expected: u64) -> Result<R, Disconnect> {
    match Incoming::parse(text).map_err(lost)? {
        Incoming::Result { id, result } if id.as_json() == expected.to_string() => {
            protocol::strict_json::from_str(result).map_err(lost)
        }
        Incoming::Error { error, .. } => Err(Disconnect::Refused(error)),
        _ => Err(lost("it sent another frame instead of the response")),
    }
}

fn lost(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Disconnect {
    let error = Error::new(ErrorKind::Connect, "cannot register with the relay");
    Disconnect::Lost(error.caused_by(cause))
}
