//! The relay of this workspace as a subject: its process, a tenant with one key, two registered agents per pair.

use std::net::SocketAddr;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, bail, ensure};
use protocol::api_key::ApiKey;
use protocol::envelope::Class;
use protocol::{Did, Identity, UnixSeconds};
use tokio::net::TcpStream;

use super::process::Process;
use admission::Upgrade;

pub mod admission;
mod frames;
mod start;
mod tenant;

pub use frames::Frames;

/// The tenant of all agents of a run.
const TENANT: &str = "load";

/// A running relay; its data folder goes with it.
pub struct Relay {
    pub process: Process,
    public: SocketAddr,
    key: ApiKey,
    pairs: Vec<(Identity, Identity)>,
    _folder: tempfile::TempDir,
}

impl Relay {
    /// Starts the built relay, makes the tenant and its key, and the identities of `pairs` senders and recipients.
    ///
    /// # Errors
    /// Not built, not ready in time, or the admin API refuses.
    pub async fn start(pairs: u16, pinned: bool) -> anyhow::Result<Self> {
        let started = start::start(pinned).await?;
        let key = ApiKey::generate(&mut rand::rng());
        tenant::admit(&started, &key).await.context("make the tenant and its key")?;
        let domain = start::domain()?;
        let identity = |role: &str, number: u16| -> anyhow::Result<Identity> {
            let did: Did = format!("did:wba:{domain}:agent:{TENANT}:{role}-{number}").parse()?;
            Ok(Identity::generate(did, now(), &mut rand::rng()))
        };
        let pairs: anyhow::Result<_> = (0..pairs)
            .map(|number| Ok((identity("sender", number)?, identity("recipient", number)?)))
            .collect();
        let start::Started { process, public, folder, .. } = started;
        Ok(Self { process, public, key, pairs: pairs?, _folder: folder })
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
        let milliseconds = u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis())?;
        let frames = Frames::new(
            sender.did(),
            recipient.did(),
            class,
            size,
            frames::IdSpace { milliseconds, number },
        )?;
        Ok((streams, frames))
    }

    async fn registered(&self, identity: &Identity) -> anyhow::Result<TcpStream> {
        let stream = TcpStream::connect(self.public).await?;
        match admission::open(stream, &format!("ws://{}/ws", self.public), &self.key).await? {
            Upgrade::Open(mut socket) => {
                let registered = admission::register(&mut socket, identity).await?;
                ensure!(
                    registered.pending == 0,
                    "{} messages wait for {}",
                    registered.pending,
                    identity.did()
                );
                Ok(socket.into_inner())
            }
            Upgrade::Refused(status) => bail!("the relay refuses the run's own key with {status}"),
        }
    }
}

fn now() -> UnixSeconds {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}
