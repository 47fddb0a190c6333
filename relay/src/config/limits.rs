//! The limits an operator may turn. What the protocol fixes is in `protocol::limits`.

use clap::Args;
use protocol::limits::FRAME_BYTES_MAX;
use serde::{Deserialize, Serialize};

use crate::core::Limits as CoreLimits;
use crate::core::Rate;

/// Bytes in flight below which a few large frames would stop everybody.
const MEMORY_BYTES_MIN: usize = 16 * FRAME_BYTES_MAX;

/// Limits that are set, in one layer.
#[derive(Debug, Clone, Default, Args, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LimitsLayer {
    /// Connections to the public listener at once; more are answered 503 [default: 10000].
    #[arg(long = "limit-connections", env = "MSG2AGENT_RELAY_LIMIT_CONNECTIONS", value_name = "COUNT")]
    pub connections: Option<usize>,
    /// Tenants of this relay [default: 1000].
    #[arg(long = "limit-tenants", env = "MSG2AGENT_RELAY_LIMIT_TENANTS", value_name = "COUNT")]
    pub tenants: Option<usize>,
    /// Agents of this relay, over all tenants [default: 20000].
    #[arg(long = "limit-agents", env = "MSG2AGENT_RELAY_LIMIT_AGENTS", value_name = "COUNT")]
    pub agents: Option<usize>,
    /// Messages waiting for one agent [default: 10000].
    #[arg(
        long = "limit-mailbox-messages",
        env = "MSG2AGENT_RELAY_LIMIT_MAILBOX_MESSAGES",
        value_name = "COUNT"
    )]
    pub mailbox_messages: Option<u32>,
    /// Bytes waiting for one agent [default: 67108864].
    #[arg(long = "limit-mailbox-bytes", env = "MSG2AGENT_RELAY_LIMIT_MAILBOX_BYTES", value_name = "BYTES")]
    pub mailbox_bytes: Option<u64>,
    /// Bytes of messages kept in memory on their way, for all agents together; senders beyond it are told to wait
    /// [default: 268435456].
    #[arg(long = "limit-memory-bytes", env = "MSG2AGENT_RELAY_LIMIT_MEMORY_BYTES", value_name = "BYTES")]
    pub memory_bytes: Option<usize>,
    /// Messages an agent may send per second, on average [default: 1000].
    #[arg(
        long = "limit-sends-per-second",
        env = "MSG2AGENT_RELAY_LIMIT_SENDS_PER_SECOND",
        value_name = "COUNT"
    )]
    pub sends_per_second: Option<u32>,
    /// Messages an agent may send at once before the average counts [default: 2000].
    #[arg(long = "limit-sends-burst", env = "MSG2AGENT_RELAY_LIMIT_SENDS_BURST", value_name = "COUNT")]
    pub sends_burst: Option<u32>,
    /// Messages all agents of a tenant together may send per second, on average [default: 10000].
    #[arg(
        long = "limit-tenant-sends-per-second",
        env = "MSG2AGENT_RELAY_LIMIT_TENANT_SENDS_PER_SECOND",
        value_name = "COUNT"
    )]
    pub tenant_sends_per_second: Option<u32>,
    /// Messages all agents of a tenant together may send at once before the average counts [default: 20000].
    #[arg(
        long = "limit-tenant-sends-burst",
        env = "MSG2AGENT_RELAY_LIMIT_TENANT_SENDS_BURST",
        value_name = "COUNT"
    )]
    pub tenant_sends_burst: Option<u32>,
}

/// The limits in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Limits {
    pub connections: usize,
    pub tenants: usize,
    pub agents: usize,
    pub mailbox_messages: u32,
    pub mailbox_bytes: u64,
    pub memory_bytes: usize,
    pub sends_per_second: u32,
    pub sends_burst: u32,
    pub tenant_sends_per_second: u32,
    pub tenant_sends_burst: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            // A connection costs some 20 KiB, so these are 200 MiB.
            connections: 10_000,
            tenants: 1_000,
            // A record has some 3 KiB and stays in memory: 60 MiB.
            agents: 20_000,
            mailbox_messages: 10_000,
            mailbox_bytes: 64 << 20,
            memory_bytes: 256 << 20,
            sends_per_second: 1_000,
            sends_burst: 2_000,
            tenant_sends_per_second: 10_000,
            tenant_sends_burst: 20_000,
        }
    }
}

impl LimitsLayer {
    /// These where set, `below` elsewhere.
    pub(super) fn over(self, below: Self) -> Self {
        Self {
            connections: self.connections.or(below.connections),
            tenants: self.tenants.or(below.tenants),
            agents: self.agents.or(below.agents),
            mailbox_messages: self.mailbox_messages.or(below.mailbox_messages),
            mailbox_bytes: self.mailbox_bytes.or(below.mailbox_bytes),
            memory_bytes: self.memory_bytes.or(below.memory_bytes),
            sends_per_second: self.sends_per_second.or(below.sends_per_second),
            sends_burst: self.sends_burst.or(below.sends_burst),
            tenant_sends_per_second: self.tenant_sends_per_second.or(below.tenant_sends_per_second),
            tenant_sends_burst: self.tenant_sends_burst.or(below.tenant_sends_burst),
        }
    }

    pub(super) fn or_default(self) -> Limits {
        let default = Limits::default();
        Limits {
            connections: self.connections.unwrap_or(default.connections),
            tenants: self.tenants.unwrap_or(default.tenants),
            agents: self.agents.unwrap_or(default.agents),
            mailbox_messages: self.mailbox_messages.unwrap_or(default.mailbox_messages),
            mailbox_bytes: self.mailbox_bytes.unwrap_or(default.mailbox_bytes),
            memory_bytes: self.memory_bytes.unwrap_or(default.memory_bytes),
            sends_per_second: self.sends_per_second.unwrap_or(default.sends_per_second),
            sends_burst: self.sends_burst.unwrap_or(default.sends_burst),
            tenant_sends_per_second: self.tenant_sends_per_second.unwrap_or(default.tenant_sends_per_second),
            tenant_sends_burst: self.tenant_sends_burst.unwrap_or(default.tenant_sends_burst),
        }
    }
}

impl Limits {
    /// The name of a limit under which nothing would work, and the rule it breaks.
    pub(super) fn unfit(&self) -> Option<(&'static str, &'static str)> {
        let zero = [
            ("limits.connections", self.connections == 0),
            ("limits.tenants", self.tenants == 0),
            ("limits.agents", self.agents == 0),
            ("limits.mailbox_messages", self.mailbox_messages == 0),
            ("limits.mailbox_bytes", self.mailbox_bytes == 0),
            ("limits.sends_per_second", self.sends_per_second == 0),
            ("limits.sends_burst", self.sends_burst == 0),
            ("limits.tenant_sends_per_second", self.tenant_sends_per_second == 0),
            ("limits.tenant_sends_burst", self.tenant_sends_burst == 0),
        ];
        if let Some((name, _)) = zero.into_iter().find(|(_, is_zero)| *is_zero) {
            return Some((name, "must be at least 1"));
        }
        let small = self.memory_bytes < MEMORY_BYTES_MIN;
        small.then_some(("limits.memory_bytes", "must be at least 16777216"))
    }

    /// What the message path may use.
    #[must_use]
    pub fn core(&self) -> CoreLimits {
        CoreLimits {
            mailbox_messages: self.mailbox_messages,
            mailbox_bytes: self.mailbox_bytes,
            sender_rate: rate(self.sends_per_second, self.sends_burst),
            tenant_rate: rate(self.tenant_sends_per_second, self.tenant_sends_burst),
            held_bytes_max: self.memory_bytes,
            ..CoreLimits::default()
        }
    }
}

fn rate(per_second: u32, burst: u32) -> Rate {
    Rate { per_second: per_second.into(), burst: burst.into() }
}
