//! The relay under attack: its settings, the bystanders' tenant, and everybody whose keys the
//! attacker has.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use protocol::Identity;
use protocol::admin::TenantSpec;
use protocol::api_key::ApiKey;
use protocol::envelope::Class;
use protocol::record::Card;
use tokio::net::TcpStream;

use super::super::client_socket::connect;
use super::super::process;
use super::super::relay::{Frames, IdSpace, admission};
use super::super::server::Connected;
use super::NoisyNeighbourPlan;
use super::scenario::{AttackScenario, AttackerScope};
use crate::eventually::eventually;
use crate::relay_process::{Admin, RelayProcess};

/// Limits below the defaults, so that an attack meets them in a second: connections, and what
/// mailboxes hold. The relay gets one worker, as it starts by itself on one CPU.
const SETTINGS: [(&str, &str); 6] = [
    ("TOKIO_WORKER_THREADS", "1"),
    ("MSG2AGENT_RELAY_LOG_FILTER", "error"),
    ("MSG2AGENT_RELAY_LIMIT_CONNECTIONS", "1000"),
    ("MSG2AGENT_RELAY_LIMIT_MAILBOX_BYTES", "16777216"),
    ("MSG2AGENT_RELAY_LIMIT_TENANT_MAILBOX_BYTES", "268435456"),
    ("MSG2AGENT_RELAY_LIMIT_TENANT_MAILBOX_MESSAGES", "50000"),
];
const BYSTANDER_TENANT: &str = "bystander";
const BYSTANDER_ADDRESS: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
/// Bytes of a bystander's message on the wire.
const MESSAGE_BYTES: usize = 1024;
/// Agents of an attacker with many keys: with 8 connections each, more than three quarters of all.
const AGENTS: u16 = 104;
/// Tenants of the attacker that is one address.
const TENANTS_OF_ADDRESS: u16 = 4;
/// Time after an attack until the relay has noticed that all of its connections are closed.
const QUIET_TIMEOUT: Duration = Duration::from_secs(30);
/// Connections that are open between two rounds: those of the bystanders' last round may be.
const QUIET_CONNECTIONS: u64 = 4;

/// An agent whose key the attacker has, and the address it comes from.
#[derive(Clone)]
pub struct AttackingAgent {
    pub identity: Arc<Identity>,
    pub key: ApiKey,
    pub source: Ipv4Addr,
}

/// Everything that the attacker needs.
pub struct AttackTarget {
    pub address: SocketAddr,
    pub url: String,
    /// Pairs of a sender and a recipient. As one key the attacker has one of the two only; the
    /// other one is there to be sent to.
    pub pairs: Vec<(AttackingAgent, AttackingAgent)>,
    pub scope: AttackerScope,
}

impl AttackTarget {
    /// The keys that the attacker has, and where it comes from with each.
    #[must_use]
    pub fn keys(&self) -> Vec<AttackingAgent> {
        let both = self.scope != AttackerScope::Key;
        let pairs = self.pairs.iter();
        pairs.flat_map(|(one, other)| [Some(one), both.then_some(other)]).flatten().cloned().collect()
    }

    /// The address of an attacker that shows no key.
    ///
    /// # Errors
    /// An attacker without agents.
    pub fn source(&self) -> anyhow::Result<Ipv4Addr> {
        Ok(self.pairs.first().context("an attacker without an address")?.0.source)
    }
}

pub struct AttackSite {
    process: RelayProcess,
    key: ApiKey,
    bystanders: (Identity, Identity),
    /// Each scenario has tenants of its own, whose limits no other one has used up.
    attackers: BTreeMap<AttackScenario, Vec<(AttackingAgent, AttackingAgent)>>,
}

impl AttackSite {
    /// # Errors
    /// The relay does not start, or its admin API refuses.
    pub async fn start(plan: &NoisyNeighbourPlan) -> anyhow::Result<Self> {
        let process = RelayProcess::start_with(&SETTINGS).await?;
        if plan.pinned {
            process::pin(process.pid()?, process::SERVER_CPU)?;
        }
        let admin = process.admin()?;
        admin
            .put_tenant(BYSTANDER_TENANT, &TenantSpec::default())
            .await
            .context("make the bystanders' tenant")?;
        let key = admin.make_tenant_key(BYSTANDER_TENANT).await.context("make the bystanders' key")?;
        let name = |name| process.identity(BYSTANDER_TENANT, name);
        let bystanders = (name("sender")?, name("recipient")?);
        let mut attackers = BTreeMap::new();
        for (number, scenario) in plan.scenarios.iter().enumerate() {
            let made = attackers_of(&process, &admin, (number, *scenario), plan.rounds).await;
            attackers.insert(*scenario, made.context("make the attacker's agents")?);
        }
        Ok(Self { process, key, bystanders, attackers })
    }

    /// # Errors
    /// It has ended.
    pub fn pid(&self) -> anyhow::Result<u32> {
        self.process.pid()
    }

    /// Both bystanders, newly connected and registered.
    ///
    /// # Errors
    /// The relay refuses one.
    pub async fn bystanders(&self) -> anyhow::Result<Connected> {
        let (sender, recipient) = &self.bystanders;
        let streams = (self.registered(sender).await?, self.registered(recipient).await?);
        let ids = IdSpace::now(0);
        let frames = Frames::new(sender.did(), recipient.did(), Class::Reliable, MESSAGE_BYTES, ids)?;
        Ok((streams, Box::new(frames)))
    }

    async fn registered(&self, identity: &Identity) -> anyhow::Result<TcpStream> {
        let stream = connect(self.process.address(), BYSTANDER_ADDRESS).await?;
        let url = self.process.url();
        let connected = admission::connect(stream, &url, &self.key, identity, Card::default()).await;
        let (stream, registered) = connected.with_context(|| format!("connect {}", identity.did()))?;
        ensure!(registered.pending == 0, "{} messages wait for {}", registered.pending, identity.did());
        Ok(stream)
    }

    /// What the attacker gets for round `number`. As one key it is another agent in each round, so
    /// that its mailboxes are empty.
    #[must_use]
    pub fn target(&self, scenario: AttackScenario, number: u16) -> AttackTarget {
        let all = self.attackers.get(&scenario).map(Vec::as_slice).unwrap_or_default();
        let pairs = match scenario.scope {
            AttackerScope::Key => all.iter().skip(number.into()).take(1).cloned().collect(),
            AttackerScope::Tenant | AttackerScope::Address => all.to_vec(),
        };
        let (address, url) = (self.process.address(), self.process.url());
        AttackTarget { address, url, pairs, scope: scenario.scope }
    }

    /// Waits until the attacker's connections are gone.
    ///
    /// # Errors
    /// Some are still open.
    pub async fn quiet(&self) -> anyhow::Result<()> {
        eventually("the attacker's connections have ended", QUIET_TIMEOUT, async || {
            let metrics = self.process.metrics().await?;
            let open = metrics.lines().find_map(|line| line.strip_prefix("msg2agent_relay_connections "));
            let open: u64 = open.context("the relay counts no connections")?.trim().parse()?;
            ensure!(open <= QUIET_CONNECTIONS, "{open} connections are open");
            Ok(())
        })
        .await
    }
}

async fn attackers_of(
    process: &RelayProcess,
    admin: &Admin,
    (index, AttackScenario { scope, .. }): (usize, AttackScenario),
    rounds: u16,
) -> anyhow::Result<Vec<(AttackingAgent, AttackingAgent)>> {
    let (tenants, agents) = match scope {
        AttackerScope::Key => (1, 2 * rounds),
        AttackerScope::Tenant => (1, AGENTS),
        AttackerScope::Address => (TENANTS_OF_ADDRESS, AGENTS / TENANTS_OF_ADDRESS),
    };
    let mut made = Vec::new();
    for tenant in 0..tenants {
        let tenant = format!("attacker-{index}-{tenant}");
        admin.put_tenant(&tenant, &TenantSpec::default()).await?;
        for number in 0..agents {
            let identity = Arc::new(process.identity(&tenant, &format!("agent-{number}"))?);
            let key = admin.make_agent(&identity).await?;
            made.push(AttackingAgent { identity, key, source: source(scope, number) });
        }
    }
    Ok(made.chunks_exact(2).filter_map(|pair| Some((pair.first()?.clone(), pair.get(1)?.clone()))).collect())
}

/// A tenant's agents come from addresses of their own.
fn source(scope: AttackerScope, number: u16) -> Ipv4Addr {
    match scope {
        AttackerScope::Key => Ipv4Addr::new(127, 0, 0, 3),
        AttackerScope::Address => Ipv4Addr::new(127, 0, 0, 4),
        AttackerScope::Tenant => {
            let [high, low] = number.to_be_bytes();
            Ipv4Addr::new(127, 1, high, low.max(1))
        }
    }
}
