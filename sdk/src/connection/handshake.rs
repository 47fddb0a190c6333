//! Registration: challenge, signature, record. Nothing else is sent before it has succeeded.

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
use super::ending::Ending;
use super::own_record::OwnRecord;
use crate::{Error, ErrorKind};

/// Both round trips together: the relay's own deadline is 10 s.
const REGISTER_DEADLINE: Duration = Duration::from_secs(10);

/// A socket on which the agent is registered.
pub(super) struct Registered {
    pub(super) socket: Socket,
    pub(super) result: RegisterResult,
}

pub(super) async fn register(socket: Socket, did: &Did, record: &OwnRecord) -> Result<Registered, Ending> {
    let within = tokio::time::timeout(REGISTER_DEADLINE, exchange(socket, did, record)).await;
    within.unwrap_or_else(|_| Err(lost("it did not answer within 10 s")))
}

async fn exchange(mut socket: Socket, did: &Did, record: &OwnRecord) -> Result<Registered, Ending> {
    let params = ChallengeParams { did: did.clone() };
    let challenge: ChallengeResult = ask(&mut socket, 1, method::CHALLENGE, &params).await?;
    let params = answer(&challenge, did, record)?;
    let result = ask(&mut socket, 2, method::REGISTER, &params).await?;
    Ok(Registered { socket, result })
}

/// Signs for the relay of our own domain only, so that no other relay can pass our answer on.
fn answer(challenge: &ChallengeResult, did: &Did, record: &OwnRecord) -> Result<RegisterParams, Ending> {
    if challenge.domain.as_str() != did.domain() {
        let attempt = format!("the relay serves {}, not {}", challenge.domain, did.domain());
        let error =
            Error::new(ErrorKind::Config, attempt).advising("give the URL of the relay that the DID names");
        return Err(Ending::Fatal(error));
    }
    let keyless = || Ending::Fatal(Error::new(ErrorKind::KeyFile, "the agent holds no signing key"));
    let key = record.identity().and_then(|identity| identity.current_signing()).ok_or_else(keyless)?;
    let signature = challenge::sign(&key.key, &challenge.domain, &challenge.nonce, record.bytes());
    Ok(RegisterParams {
        did: did.clone(),
        record: base64url::encode(record.bytes()),
        kid: key.kid.clone(),
        signature,
    })
}

async fn ask<R: DeserializeOwned>(
    socket: &mut Socket,
    id: u64,
    method: &str,
    params: &impl Serialize,
) -> Result<R, Ending> {
    let mut frame = Vec::new();
    write_request(&mut frame, id, method, params);
    let text = String::from_utf8(frame).map_err(lost)?;
    socket.send(Message::text(text)).await.map_err(lost)?;
    loop {
        match socket.next().await {
            Some(Ok(Message::Text(text))) => return result(&text, id),
            Some(Ok(Message::Close(frame))) => {
                return Err(Ending::ClosedByRelay(frame.map_or(1005, |f| f.code.into())));
            }
            Some(Ok(_)) => {}
            Some(Err(e)) => return Err(lost(e)),
            None => return Err(lost("it closed the connection")),
        }
    }
}

fn result<R: DeserializeOwned>(text: &str, asked: u64) -> Result<R, Ending> {
    match Incoming::parse(text).map_err(lost)? {
        Incoming::Result { id, result } if id.as_json() == asked.to_string() => {
            protocol::strict_json::from_str(result).map_err(lost)
        }
        Incoming::Error { error, .. } => Err(Ending::Refused(error)),
        _ => Err(lost("it sent something else than the answer")),
    }
}

fn lost(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Ending {
    let error = Error::new(ErrorKind::Connect, "cannot register with the relay");
    Ending::Lost(error.caused_by(cause))
}
