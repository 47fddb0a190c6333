//! Measures the relay of this workspace: its process, a tenant with one key, and two registered
//! agents per pair.

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, ensure};
use protocol::admin::TenantSpec;
use protocol::api_key::ApiKey;
use protocol::envelope::Class;
use protocol::record::Card;
use protocol::{Identity, UnixSeconds};
use tokio::net::TcpStream;

use super::process;
use crate::relay_process::RelayProcess;

pub mod admission;
pub mod agents;
mod frame_by_frame;
mod frames;

pub use frames::{Frames, IdSpace};

/// The tenant of all agents of a run.
const TENANT: &str = "load";
/// More than a machine can send in a second, so that no limit is measured.
const RATE: &str = "100000000";
/// The relay gets one worker, as it starts by itself on one CPU. No limit is reached, and the log
/// has warnings and errors only.
const SETTINGS: [(&str, &str); 9] = [
    ("TOKIO_WORKER_THREADS", "1"),
    ("MSG2AGENT_RELAY_LOG_FILTER", "warn"),
    ("MSG2AGENT_RELAY_LIMIT_SENDS_PER_SECOND", RATE),
    ("MSG2AGENT_RELAY_LIMIT_SENDS_BURST", RATE),
    ("MSG2AGENT_RELAY_LIMIT_TENANT_SENDS_PER_SECOND", RATE),
    ("MSG2AGENT_RELAY_LIMIT_TENANT_SENDS_BURST", RATE),
    ("MSG2AGENT_RELAY_LIMIT_TENANT_SHARE_PERCENT", "100"),
    ("MSG2AGENT_RELAY_LIMIT_TENANT_MAILBOX_MESSAGES", RATE),
    ("MSG2AGENT_RELAY_LIMIT_RELAY_MAILBOX_MESSAGES", RATE),
];

/// A running relay, its tenant's key, and the agents of each pair.
pub struct Relay {
    process: RelayProcess,
    key: ApiKey,
    pairs: Vec<(Identity, Identity)>,
}

impl Relay {
    /// Starts the built relay, makes the tenant and its key, and the identities of `pairs` senders
    /// and recipients.
    ///
    /// # Errors
    /// Not built, not ready in time, or the admin API refuses.
    pub async fn start(pairs: u16, pinned: bool) -> anyhow::Result<Self> {
        let process = RelayProcess::start_with(&SETTINGS).await?;
        if pinned {
            process::pin(process.pid()?, process::SERVER_CPU)?;
        }
        let admin = process.admin()?;
        admin.put_tenant(TENANT, &TenantSpec::default()).await.context("make the tenant")?;
        let key = admin.make_tenant_key(TENANT).await.context("make the tenant's key")?;
        let identity = |role: &str, number: u16| process.identity(TENANT, &format!("{role}-{number}"));
        let pairs: anyhow::Result<_> = (0..pairs)
            .map(|number| Ok((identity("sender", number)?, identity("recipient", number)?)))
            .collect();
        Ok(Self { process, key, pairs: pairs? })
    }

    /// # Errors
    /// It has ended.
    pub fn id(&self) -> anyhow::Result<u32> {
        self.process.pid()
    }

    /// Both ends of pair `number`, registered, and the frames between them.
    ///
    /// # Errors
    /// A refused registration, or a `size` that an envelope does not fit.
    pub async fn connect(
        &self,
        number: u16,
        class: Class,
        size: usize,
    ) -> anyhow::Result<((TcpStream, TcpStream), Frames)> {
        let (sender, recipient) = self.pairs.get(usize::from(number)).context("no such pair")?;
        let streams = (self.registered(sender).await?, self.registered(recipient).await?);
        let frames = Frames::new(sender.did(), recipient.did(), class, size, IdSpace::now(number))?;
        Ok((streams, frames))
    }

    async fn registered(&self, identity: &Identity) -> anyhow::Result<TcpStream> {
        let stream = TcpStream::connect(self.process.address()).await?;
        let url = self.process.url();
        let (stream, registered) =
            admission::connect(stream, &url, &self.key, identity, Card::default()).await?;
        ensure!(registered.pending == 0, "{} messages wait for {}", registered.pending, identity.did());
        Ok(stream)
    }
}

fn now() -> UnixSeconds {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}
