//! Asks the relay whom a credential speaks for (RFC 7662).

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use protocol::introspection::Introspection;
use tokio::sync::Semaphore;
use zeroize::Zeroizing;

use crate::http::outbound::Outbound;

/// Time for an answer; clients give up after about ten seconds.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(4);
/// Questions under way at a time: what strangers present may load the relay this much, and no more.
const QUESTIONS_MAX: usize = 64;
/// How long a question waits for its turn.
const TURN_TIMEOUT: Duration = Duration::from_secs(2);
/// Bytes of an answer; ours have about 600.
const ANSWER_BYTES_MAX: usize = 16 * 1024;

/// Cheap to clone; clones share the token and the room.
#[derive(Clone)]
pub struct Introspector {
    url: Arc<str>,
    outbound: Outbound,
    file: Arc<Path>,
    token: Arc<RwLock<Zeroizing<String>>>,
    room: Arc<Semaphore>,
}

#[derive(Debug, thiserror::Error)]
pub enum AskError {
    #[error("too many questions to the relay are under way")]
    Turn,
    #[error("failed to ask the relay whom a credential speaks for")]
    Request(#[source] reqwest::Error),
    /// 401: the token is not the one that the relay knows.
    #[error("the relay answered {0}")]
    Status(reqwest::StatusCode),
    #[error("the relay's answer has more than {ANSWER_BYTES_MAX} bytes")]
    Size,
    #[error("failed to read the relay's answer")]
    Shape(#[source] serde_json::Error),
}

#[derive(Debug, thiserror::Error)]
pub enum TokenFileError {
    #[error("failed to read the gateway's token at {}", .0.display())]
    Read(PathBuf, #[source] std::io::Error),
    #[error("failed to use the gateway's token at {}: the file is empty", .0.display())]
    Empty(PathBuf),
}

impl Introspector {
    /// # Errors
    /// No token in the file.
    pub fn open(url: &str, outbound: Outbound, token_file: &Path) -> Result<Self, TokenFileError> {
        let token = read(token_file)?;
        Ok(Self {
            url: url.into(),
            outbound,
            file: token_file.into(),
            token: Arc::new(RwLock::new(token)),
            room: Arc::new(Semaphore::new(QUESTIONS_MAX)),
        })
    }

    /// Reads the token file again; `true` when it is another one.
    ///
    /// # Errors
    /// No token in it; the one before stays.
    pub fn reload(&self) -> Result<bool, TokenFileError> {
        let fresh = read(&self.file)?;
        let mut token = self.token.write().unwrap_or_else(PoisonError::into_inner);
        let changed = *token != fresh;
        *token = fresh;
        Ok(changed)
    }

    /// # Errors
    /// No answer, or none that can be used.
    pub async fn ask(&self, credential: &str) -> Result<Introspection, AskError> {
        let turn = tokio::time::timeout(TURN_TIMEOUT, self.room.acquire()).await;
        let _turn = turn.ok().and_then(Result::ok).ok_or(AskError::Turn)?;
        let form = Zeroizing::new(format!("token={credential}"));
        let request = self
            .outbound
            .client()
            .post(&*self.url)
            .timeout(ANSWER_TIMEOUT)
            .bearer_auth(self.token().as_str())
            .header("content-type", "application/x-www-form-urlencoded")
            .body(form.as_bytes().to_vec());
        let mut response = request.send().await.map_err(AskError::Request)?;
        if !response.status().is_success() {
            return Err(AskError::Status(response.status()));
        }
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(AskError::Request)? {
            body.extend_from_slice(&chunk);
            if body.len() > ANSWER_BYTES_MAX {
                return Err(AskError::Size);
            }
        }
        serde_json::from_slice(&body).map_err(AskError::Shape)
    }

    fn token(&self) -> Zeroizing<String> {
        self.token.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn read(file: &Path) -> Result<Zeroizing<String>, TokenFileError> {
    let text = std::fs::read_to_string(file).map(Zeroizing::new);
    let text = text.map_err(|source| TokenFileError::Read(file.to_owned(), source))?;
    let token = Zeroizing::new(text.trim().to_owned());
    if token.is_empty() { Err(TokenFileError::Empty(file.to_owned())) } else { Ok(token) }
}
