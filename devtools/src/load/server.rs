//! Starts the server processes of a run once, and connects to them.

use std::collections::BTreeMap;

use anyhow::Context as _;
use protocol::envelope::Class;
use tokio::net::TcpStream;

use super::codec::Codec;
use super::forwarder::{Blocks, Forwarder};
use super::nats::{self, Nats, NatsTransport, Subjects, SubjectsInFrames};
use super::plan::{LoadPlan, LoadSubject};
use super::relay::Relay;
use crate::programs;

/// Both connections of a pair, and the codec of their bytes.
pub type Connected = ((TcpStream, TcpStream), Box<dyn Codec>);

/// The servers of a run. A server that no subject of the plan needs is `None`.
#[derive(Default)]
pub struct Servers {
    forwarder: Option<Forwarder>,
    nats: Option<Nats>,
    relay: Option<Relay>,
    missing: BTreeMap<LoadSubject, String>,
}

impl Servers {
    /// # Errors
    /// The first server that does not start.
    pub async fn start(plan: &LoadPlan) -> anyhow::Result<Self> {
        let mut servers = Self::default();
        for subject in &plan.subjects {
            match subject {
                LoadSubject::Forwarder | LoadSubject::ForwarderAnswered if servers.forwarder.is_none() => {
                    servers.forwarder = Some(Forwarder::start(&programs::path("load")?, plan.pinned)?);
                }
                LoadSubject::Nats
                | LoadSubject::NatsWebSocket
                | LoadSubject::NatsAnswered
                | LoadSubject::NatsWebSocketAnswered
                    if servers.nats.is_none() =>
                {
                    match nats::program() {
                        Ok(program) => servers.nats = Some(Nats::start(&program, plan.pinned).await?),
                        Err(error) => drop(servers.missing.insert(*subject, format!("{error:#}"))),
                    }
                }
                LoadSubject::RelayEphemeral | LoadSubject::RelayReliable if servers.relay.is_none() => {
                    let pairs =
                        plan.workloads.iter().map(|workload| workload.pairs).max().unwrap_or_default();
                    servers.relay = Some(Relay::start(pairs, plan.pinned).await?);
                }
                _ => (),
            }
        }
        Ok(servers)
    }

    /// Why this machine has no server for the subject.
    #[must_use]
    pub fn missing(&self, subject: LoadSubject) -> Option<&str> {
        self.missing.get(&subject).map(String::as_str)
    }

    fn forwarder(&self) -> anyhow::Result<&Forwarder> {
        self.forwarder.as_ref().context("the forwarder is not part of this run")
    }

    fn nats(&self) -> anyhow::Result<&Nats> {
        self.nats.as_ref().context("nats-server is not part of this run")
    }

    fn relay(&self) -> anyhow::Result<&Relay> {
        self.relay.as_ref().context("the relay is not part of this run")
    }

    /// The process whose CPU time counts.
    ///
    /// # Errors
    /// It is not part of this run.
    pub fn process(&self, subject: LoadSubject) -> anyhow::Result<u32> {
        Ok(match subject {
            LoadSubject::Forwarder | LoadSubject::ForwarderAnswered => self.forwarder()?.process.id(),
            LoadSubject::Nats
            | LoadSubject::NatsWebSocket
            | LoadSubject::NatsAnswered
            | LoadSubject::NatsWebSocketAnswered => self.nats()?.process.id(),
            LoadSubject::RelayEphemeral | LoadSubject::RelayReliable => self.relay()?.id()?,
        })
    }

    /// # Errors
    /// A server refuses a connection.
    pub async fn connect(
        &self,
        subject: LoadSubject,
        pairs: u16,
        size: usize,
    ) -> anyhow::Result<Vec<Connected>> {
        let mut connected = Vec::with_capacity(pairs.into());
        for number in 0..pairs {
            connected.push(self.connect_pair(subject, number, size).await?);
        }
        Ok(connected)
    }

    async fn connect_pair(
        &self,
        subject: LoadSubject,
        number: u16,
        size: usize,
    ) -> anyhow::Result<Connected> {
        let answers = subject.sender_hears();
        Ok(match subject {
            LoadSubject::Forwarder | LoadSubject::ForwarderAnswered => {
                (self.forwarder()?.connect().await?, Box::new(Blocks::new(size, answers)))
            }
            LoadSubject::Nats | LoadSubject::NatsAnswered => {
                let streams = self.nats()?.connect(NatsTransport::Tcp, number, answers).await?;
                (streams, Box::new(Subjects::new(number, size, answers)))
            }
            LoadSubject::NatsWebSocket | LoadSubject::NatsWebSocketAnswered => {
                let streams = self.nats()?.connect(NatsTransport::WebSocket, number, answers).await?;
                (streams, Box::new(SubjectsInFrames::new(Subjects::new(number, size, answers))))
            }
            LoadSubject::RelayEphemeral => {
                boxed(self.relay()?.connect(number, Class::Ephemeral, size).await?)
            }
            LoadSubject::RelayReliable => boxed(self.relay()?.connect(number, Class::Reliable, size).await?),
        })
    }
}

fn boxed<C: Codec + 'static>((streams, codec): ((TcpStream, TcpStream), C)) -> Connected {
    (streams, Box::new(codec))
}
