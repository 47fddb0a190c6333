//! Starts what a run measures: a gateway with its agents, a bare server, and all sessions on both.

use std::time::Duration;

use anyhow::Context as _;
use futures::{StreamExt as _, TryStreamExt as _};
use tokio::process::Command;

use super::McpLoadPlan;
use super::session::McpSession;
use crate::command::isolated;
use crate::eventually::eventually;
use crate::free_port::free_port;
use crate::gateway_site::GatewaySite;
use crate::process::TestProcess;
use crate::{http_client, memory_usage, programs};

/// Sessions that are opened at a time.
const OPENING: usize = 16;

pub struct Sites {
    pub gateway: GatewaySite,
    pub bare: TestProcess,
    pub through_gateway: Vec<McpSession>,
    pub at_bare: Vec<McpSession>,
    /// Resident memory that the sessions added, in bytes.
    pub memory: Memory,
    /// The agent that receives and reads the messages.
    pub receiver: msg2agent::Did,
    _reading: tokio::task::JoinHandle<()>,
    _folder: tempfile::TempDir,
}

#[derive(Debug, Clone, Copy)]
pub struct Memory {
    pub gateway: u64,
    pub endpoints: u64,
    pub bare: u64,
}

impl Sites {
    pub async fn start(plan: &McpLoadPlan) -> anyhow::Result<Self> {
        let names: Vec<String> = (0..plan.agents).map(|n| format!("agent-{n}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let gateway = GatewaySite::start(&names, 1).await?;
        let (bob, identity) = gateway.connect("bob").await?;
        let reading = tokio::spawn(async move {
            let mut inbox = bob.inbox();
            while let Some(message) = inbox.next().await {
                // One that could not be acknowledged comes again.
                drop(message.ack().await);
            }
        });
        let folder = tempfile::tempdir()?;
        let (bare, bare_url) = start_bare(&folder).await?;
        // First contact makes pools and tables that are no session's.
        let url = gateway.first()?.url();
        let http = http_client::new()?;
        for agent in &gateway.agents {
            drop(McpSession::open(&http, &url, agent.key.reveal()).await?);
        }
        drop(McpSession::open(&http, &bare_url, "none").await?);
        let before = Memory::of(&gateway, &bare)?;
        let keys: Vec<_> = gateway.agents.iter().map(|agent| agent.key.reveal().to_owned()).collect();
        let key = |n: usize| keys.get(n % keys.len().max(1)).cloned().unwrap_or_default();
        let through_gateway = open_all(plan.sessions, &url, key).await?;
        let at_bare = open_all(plan.sessions, &bare_url, |_| "none".to_owned()).await?;
        let memory = Memory::of(&gateway, &bare)?.since(before);
        let receiver = identity.did().clone();
        Ok(Self {
            gateway,
            bare,
            through_gateway,
            at_bare,
            memory,
            receiver,
            _reading: reading,
            _folder: folder,
        })
    }
}

async fn start_bare(folder: &tempfile::TempDir) -> anyhow::Result<(TestProcess, String)> {
    let port = free_port()?;
    let mut command = Command::from(isolated(programs::path("mcpload")?));
    command.args(["bare", &port.to_string()]);
    let process = TestProcess::start("bare", command, folder.path())?;
    let limit = Duration::from_secs(20);
    eventually("the bare server listens", limit, async || {
        tokio::net::TcpStream::connect(("127.0.0.1", port)).await.map(drop).context("connect")
    })
    .await?;
    Ok((process, format!("http://127.0.0.1:{port}/mcp")))
}

async fn open_all(count: usize, url: &str, key: impl Fn(usize) -> String) -> anyhow::Result<Vec<McpSession>> {
    let http = http_client::new()?;
    let opened = futures::stream::iter(0..count).map(|n| {
        let (http, key) = (http.clone(), key(n));
        async move { McpSession::open(&http, url, &key).await }
    });
    opened.buffered(OPENING).try_collect().await
}

impl Memory {
    fn of(site: &GatewaySite, bare: &TestProcess) -> anyhow::Result<Self> {
        let mut endpoints = 0;
        for agent in &site.agents {
            endpoints += memory_usage::resident(agent.process.pid().context("an endpoint has ended")?)?;
        }
        let gateway = memory_usage::resident(site.first()?.pid()?)?;
        Ok(Self {
            gateway,
            endpoints,
            bare: memory_usage::resident(bare.pid().context("the bare server has ended")?)?,
        })
    }

    const fn since(self, before: Self) -> Self {
        Self {
            gateway: self.gateway.saturating_sub(before.gateway),
            endpoints: self.endpoints.saturating_sub(before.endpoints),
            bare: self.bare.saturating_sub(before.bare),
        }
    }
}
