//! STAND-IN until the message path lands on main: keeps sessions open until a change closes them, carries no messages.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use protocol::Did;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite};
use tokio_util::sync::CancellationToken;

use crate::directory::{Change, Directory, Principal};

type Sessions = Mutex<HashMap<u64, (Principal, CancellationToken)>>;

#[derive(Debug)]
pub struct Hub {
    directory: Arc<Directory>,
    next: AtomicU64,
    sessions: Sessions,
}

impl Hub {
    #[must_use]
    pub fn open(directory: Arc<Directory>) -> Arc<Self> {
        Arc::new(Self { directory, next: AtomicU64::new(0), sessions: Mutex::default() })
    }

    pub async fn serve<S>(&self, mut stream: S, _leftover: Bytes, who: Principal, _peer: SocketAddr)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send,
    {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let closed = CancellationToken::new();
        self.sessions().insert(number, (who.clone(), closed.clone()));
        if self.directory.recheck(&who).is_ok() {
            let mut buffer = [0; 1024];
            let read = async { while matches!(stream.read(&mut buffer).await, Ok(1..)) {} };
            tokio::select! { () = closed.cancelled() => {}, () = read => {} }
        }
        self.sessions().remove(&number);
    }

    pub fn apply(&self, change: &Change) {
        self.sessions().retain(|_, (who, closed)| {
            let ends = match change {
                Change::KeyRevoked(id) => who.key_id == *id,
                Change::AgentRemoved(did) | Change::AgentSuspended(did) => who.agent.as_ref() == Some(did),
                Change::TenantSuspended(tenant) | Change::TenantRemoved(tenant) => who.tenant == *tenant,
            };
            if ends {
                closed.cancel();
            }
            !ends
        });
    }

    pub fn online(&self, did: &Did) -> bool {
        self.sessions().values().any(|(who, _)| who.agent.as_ref() == Some(did))
    }

    pub fn pending(&self, _did: &Did) -> u64 {
        0
    }

    /// # Errors
    /// Never, in the stand-in.
    pub fn readiness(&self) -> Result<(), String> {
        Ok(())
    }

    pub async fn drain(&self, _grace: Duration) {
        self.sessions().drain().for_each(|(_, (_, closed))| closed.cancel());
    }

    fn sessions(&self) -> std::sync::MutexGuard<'_, HashMap<u64, (Principal, CancellationToken)>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
